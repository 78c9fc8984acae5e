// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/**
 * Where an image lies in the sequence that the model sees.
 *
 * @param start its first position
 * @param length how many positions it takes
 */
public record ImageSpan(int start, int length) {}
