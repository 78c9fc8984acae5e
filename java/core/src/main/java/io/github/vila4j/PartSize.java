// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/**
 * What the tensors of one part of a model amount to.
 *
 * @param parameters number of parameters, of the tensors that are used
 * @param bytes bytes of these tensors as they are stored
 */
public record PartSize(long parameters, long bytes) {
  static PartSize of(io.github.vila4j.internal.PartSize size) {
    return new PartSize(size.parameters(), size.bytes());
  }
}
