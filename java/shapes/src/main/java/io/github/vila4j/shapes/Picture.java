// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

/**
 * Pixels.
 *
 * @param width at least 1
 * @param height at least 1
 * @param rgb {@code width * height * 3} bytes: red, green, blue, row by row; not copied
 */
public record Picture(int width, int height, byte[] rgb) {}
