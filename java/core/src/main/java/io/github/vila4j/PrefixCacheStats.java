// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/**
 * The state of a model's cache of keys and values of prompts ({@link LoadOptions.Builder#prefixCacheBytes}).
 *
 * @param bytes what ended sessions have left there
 * @param entries of how many sessions
 * @param hits how many prompts so far began with positions copied from there or from an open session
 * @param positions how many positions these were
 */
public record PrefixCacheStats(long bytes, long entries, long hits, long positions) {}
