// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** A prompt, image or request is larger than the model or the machine allows. */
public final class CapacityException extends VilaException {
  private static final long serialVersionUID = 1L;

  CapacityException(String message) {
    super(ErrorCode.CAPACITY, message);
  }
}
