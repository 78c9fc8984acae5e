// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/**
 * How long the stages of a completion took.
 *
 * @param imageSeconds decoding and encoding images
 * @param prefillSeconds computing the prompt
 * @param decodeSeconds generating the answer
 */
public record Timings(double imageSeconds, double prefillSeconds, double decodeSeconds) {}
