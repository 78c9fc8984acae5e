// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/**
 * What a completion took, in positions of the context.
 *
 * @param promptTokens positions of the prompt, image tokens included
 * @param imageTokens those of them that are image tokens
 * @param cachedTokens positions of the prompt that were not computed: this session's cache, or another's, had them
 * @param completionTokens generated tokens
 */
public record Usage(int promptTokens, int imageTokens, int cachedTokens, int completionTokens) {}
