// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/**
 * A piece of an answer as it grows.
 *
 * @param id the generated id, or -1 for a last piece of text that was held back until the end
 * @param text the text that became certain with this id; may be empty, and never ends within a character or reaches into a stop
 *     string. Put together, the texts are {@link Completion#text()}.
 */
public record Token(int id, String text) {}
