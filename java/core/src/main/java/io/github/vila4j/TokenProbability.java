// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/**
 * A token and how probable it was.
 *
 * @param id the token's id
 * @param logprob the natural logarithm of its probability, before temperature and penalties
 */
public record TokenProbability(int id, float logprob) {}
