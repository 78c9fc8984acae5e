// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/**
 * The state of a model's cache of image tokens.
 *
 * @param bytes what it holds
 * @param entries how many images it holds
 * @param hits how many images were found in it so far
 * @param misses how many were not
 */
public record ImageCacheStats(long bytes, long entries, long hits, long misses) {}
