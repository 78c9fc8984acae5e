// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

/**
 * A question and its answer.
 *
 * @param question what the user says; {@code <image>} marks an image
 * @param answer what is right
 */
public record Turn(String question, String answer) {}
