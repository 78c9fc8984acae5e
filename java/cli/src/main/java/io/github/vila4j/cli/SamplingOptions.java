// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.GenerationOptions;
import java.util.List;
import picocli.CommandLine.Option;

/** How to generate. */
final class SamplingOptions {
  @Option(
      names = "--max-tokens",
      paramLabel = "N",
      defaultValue = "512",
      description = "Most tokens to generate (${DEFAULT-VALUE}).")
  private int maxTokens;

  @Option(names = "--temperature", paramLabel = "T", defaultValue = "0", description = "Randomness; 0 is none (${DEFAULT-VALUE}).")
  private float temperature;

  @Option(names = "--top-k", paramLabel = "N", defaultValue = "0", description = "Only the N most probable tokens; 0 is off.")
  private int topK;

  @Option(names = "--top-p", paramLabel = "P", defaultValue = "1", description = "Only the most probable tokens up to P; 1 is off.")
  private float topP;

  @Option(
      names = "--min-p",
      paramLabel = "P",
      defaultValue = "0",
      description = "Only tokens of P times the best one's probability.")
  private float minP;

  @Option(
      names = "--repetition-penalty",
      paramLabel = "X",
      defaultValue = "1",
      description = "Above 1: against repeating; 1 is off.")
  private float repetitionPenalty;

  @Option(
      names = "--presence-penalty",
      paramLabel = "X",
      defaultValue = "0",
      description = "Against tokens the answer has; 0 is off.")
  private float presencePenalty;

  @Option(names = "--frequency-penalty", paramLabel = "X", defaultValue = "0", description = "The same, for each time; 0 is off.")
  private float frequencyPenalty;

  @Option(names = "--seed", paramLabel = "N", defaultValue = "-1", description = "Seed of the sampling; a fresh one unless given.")
  private long seed;

  @Option(names = "--stop", paramLabel = "TEXT", description = "A text that ends the answer; may be repeated.")
  private List<String> stop = List.of();

  GenerationOptions toGenerationOptions() {
    return GenerationOptions.builder()
        .maxNewTokens(maxTokens)
        .temperature(temperature)
        .topK(topK)
        .topP(topP)
        .minP(minP)
        .repetitionPenalty(repetitionPenalty)
        .presencePenalty(presencePenalty)
        .frequencyPenalty(frequencyPenalty)
        .seed(seed)
        .stop(stop)
        .build();
  }
}
