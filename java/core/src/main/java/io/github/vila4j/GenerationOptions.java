// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.StringVector;
import java.util.List;
import org.bytedeco.javacpp.IntPointer;

/**
 * How to generate. Immutable; what is not set is the engine's default: greedy, at most 512 tokens.
 */
public final class GenerationOptions {
  private final int maxNewTokens;
  private final float temperature;
  private final int topK;
  private final float topP;
  private final float minP;
  private final float repetitionPenalty;
  private final float presencePenalty;
  private final float frequencyPenalty;
  private final long seed;
  private final int topLogprobs;
  private final boolean ignoreEos;
  private final boolean reusePrefix;
  private final List<String> stop;
  private final List<Integer> stopIds;

  private GenerationOptions(Builder builder) {
    maxNewTokens = builder.maxNewTokens;
    temperature = builder.temperature;
    topK = builder.topK;
    topP = builder.topP;
    minP = builder.minP;
    repetitionPenalty = builder.repetitionPenalty;
    presencePenalty = builder.presencePenalty;
    frequencyPenalty = builder.frequencyPenalty;
    seed = builder.seed;
    topLogprobs = builder.topLogprobs;
    ignoreEos = builder.ignoreEos;
    reusePrefix = builder.reusePrefix;
    stop = builder.stop;
    stopIds = builder.stopIds;
  }

  /**
   * The engine's defaults.
   *
   * @return options in which nothing was set
   */
  public static GenerationOptions defaults() {
    return builder().build();
  }

  /**
   * Begins with the engine's defaults.
   *
   * @return a builder
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * A builder that holds these options, to change some.
   *
   * @return a builder
   */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.maxNewTokens = maxNewTokens;
    builder.temperature = temperature;
    builder.topK = topK;
    builder.topP = topP;
    builder.minP = minP;
    builder.repetitionPenalty = repetitionPenalty;
    builder.presencePenalty = presencePenalty;
    builder.frequencyPenalty = frequencyPenalty;
    builder.seed = seed;
    builder.topLogprobs = topLogprobs;
    builder.ignoreEos = ignoreEos;
    builder.reusePrefix = reusePrefix;
    builder.stop = stop;
    builder.stopIds = stopIds;
    return builder;
  }

  /**
   * Most tokens to generate; also bounded by the context.
   *
   * @return at least 1
   */
  public int maxNewTokens() {
    return maxNewTokens;
  }

  /**
   * Randomness: 0 is greedy.
   *
   * @return 0 or more
   */
  public float temperature() {
    return temperature;
  }

  /**
   * Draws only from this many of the most probable tokens.
   *
   * @return 0 is off
   */
  public int topK() {
    return topK;
  }

  /**
   * Draws only from the most probable tokens that together have this probability.
   *
   * @return above 0, at most 1; 1 is off
   */
  public float topP() {
    return topP;
  }

  /**
   * Drops tokens whose probability is below this times the best one's.
   *
   * @return at least 0, below 1; 0 is off
   */
  public float minP() {
    return minP;
  }

  /**
   * Divides positive and multiplies negative logits of ids that the prompt or the answer has.
   *
   * @return above 0; 1 is off
   */
  public float repetitionPenalty() {
    return repetitionPenalty;
  }

  /**
   * Is subtracted once from the logits of ids that the answer has.
   *
   * @return 0 is off
   */
  public float presencePenalty() {
    return presencePenalty;
  }

  /**
   * Is subtracted from the logits of an id for each time that the answer has it.
   *
   * @return 0 is off
   */
  public float frequencyPenalty() {
    return frequencyPenalty;
  }

  /**
   * Seed of the sampling; {@link Completion#seed()} tells the one used.
   *
   * @return below 0 for a fresh one at each call
   */
  public long seed() {
    return seed;
  }

  /**
   * How many of the best log probabilities to report per token, besides the chosen one's.
   *
   * @return 0 to 20; -1 reports none at all
   */
  public int topLogprobs() {
    return topLogprobs;
  }

  /**
   * Whether to generate on past the model's own stop ids.
   *
   * @return false to stop there
   */
  public boolean ignoreEos() {
    return ignoreEos;
  }

  /**
   * Whether to keep the positions that the session's cache, or another session's, shares with the prompt.
   *
   * @return false to compute the prompt afresh
   */
  public boolean reusePrefix() {
    return reusePrefix;
  }

  /**
   * Strings that end the answer, which ends before the first of them.
   *
   * @return any number of strings, none empty
   */
  public List<String> stop() {
    return stop;
  }

  /**
   * Ids that end the answer, besides the model's own.
   *
   * @return any number of ids
   */
  public List<Integer> stopIds() {
    return stopIds;
  }

  /** The native options; the caller closes them. */
  io.github.vila4j.internal.GenerationOptions toNative() {
    io.github.vila4j.internal.GenerationOptions options = new io.github.vila4j.internal.GenerationOptions();
    try {
      options.max_new_tokens(maxNewTokens);
      options.temperature(temperature);
      options.top_k(topK);
      options.top_p(topP);
      options.min_p(minP);
      options.repetition_penalty(repetitionPenalty);
      options.presence_penalty(presencePenalty);
      options.frequency_penalty(frequencyPenalty);
      options.seed(seed);
      options.top_logprobs(topLogprobs);
      options.ignore_eos(ignoreEos);
      options.reuse_prefix(reusePrefix);
      try (StringVector stops = options.stop()) {
        Text.fill(stops, "stop string", stop);
      }
      if (!stopIds.isEmpty()) {
        try (IntPointer ids = new IntPointer(stopIds.stream().mapToInt(Integer::intValue).toArray())) {
          options.stop_ids(ids);
        }
      }
      return options;
    } catch (Throwable e) {
      options.close();
      throw e;
    }
  }

  /** Collects options. Values are checked when they are used. Not thread-safe. */
  public static final class Builder {
    private int maxNewTokens = 512;
    private float temperature = 0f;
    private int topK = 0;
    private float topP = 1f;
    private float minP = 0f;
    private float repetitionPenalty = 1f;
    private float presencePenalty = 0f;
    private float frequencyPenalty = 0f;
    private long seed = -1L;
    private int topLogprobs = -1;
    private boolean ignoreEos = false;
    private boolean reusePrefix = true;
    private List<String> stop = List.of();
    private List<Integer> stopIds = List.of();

    private Builder() {}

    /**
     * Most tokens to generate; also bounded by the context.
     *
     * @param maxNewTokens at least 1
     * @return this
     */
    public Builder maxNewTokens(int maxNewTokens) {
      this.maxNewTokens = maxNewTokens;
      return this;
    }

    /**
     * Randomness: 0 is greedy.
     *
     * @param temperature 0 or more
     * @return this
     */
    public Builder temperature(float temperature) {
      this.temperature = temperature;
      return this;
    }

    /**
     * Draws only from this many of the most probable tokens.
     *
     * @param topK 0 is off
     * @return this
     */
    public Builder topK(int topK) {
      this.topK = topK;
      return this;
    }

    /**
     * Draws only from the most probable tokens that together have this probability.
     *
     * @param topP above 0, at most 1; 1 is off
     * @return this
     */
    public Builder topP(float topP) {
      this.topP = topP;
      return this;
    }

    /**
     * Drops tokens whose probability is below this times the best one's.
     *
     * @param minP at least 0, below 1; 0 is off
     * @return this
     */
    public Builder minP(float minP) {
      this.minP = minP;
      return this;
    }

    /**
     * Divides positive and multiplies negative logits of ids that the prompt or the answer has.
     *
     * @param repetitionPenalty above 0; 1 is off
     * @return this
     */
    public Builder repetitionPenalty(float repetitionPenalty) {
      this.repetitionPenalty = repetitionPenalty;
      return this;
    }

    /**
     * Is subtracted once from the logits of ids that the answer has.
     *
     * @param presencePenalty 0 is off
     * @return this
     */
    public Builder presencePenalty(float presencePenalty) {
      this.presencePenalty = presencePenalty;
      return this;
    }

    /**
     * Is subtracted from the logits of an id for each time that the answer has it.
     *
     * @param frequencyPenalty 0 is off
     * @return this
     */
    public Builder frequencyPenalty(float frequencyPenalty) {
      this.frequencyPenalty = frequencyPenalty;
      return this;
    }

    /**
     * Seed of the sampling; {@link Completion#seed()} tells the one used.
     *
     * @param seed below 0 for a fresh one at each call
     * @return this
     */
    public Builder seed(long seed) {
      this.seed = seed;
      return this;
    }

    /**
     * How many of the best log probabilities to report per token, besides the chosen one's.
     *
     * @param topLogprobs 0 to 20; -1 reports none at all
     * @return this
     */
    public Builder topLogprobs(int topLogprobs) {
      this.topLogprobs = topLogprobs;
      return this;
    }

    /**
     * Whether to generate on past the model's own stop ids.
     *
     * @param ignoreEos false to stop there
     * @return this
     */
    public Builder ignoreEos(boolean ignoreEos) {
      this.ignoreEos = ignoreEos;
      return this;
    }

    /**
     * Whether to keep the positions that the session's cache, or another session's, shares with the prompt.
     *
     * @param reusePrefix false to compute the prompt afresh
     * @return this
     */
    public Builder reusePrefix(boolean reusePrefix) {
      this.reusePrefix = reusePrefix;
      return this;
    }

    /**
     * Strings that end the answer, which ends before the first of them.
     *
     * @param stop any number of strings, none empty
     * @return this
     */
    public Builder stop(List<String> stop) {
      this.stop = List.copyOf(stop);
      return this;
    }

    /**
     * Ids that end the answer, besides the model's own.
     *
     * @param stopIds any number of ids
     * @return this
     */
    public Builder stopIds(List<Integer> stopIds) {
      this.stopIds = List.copyOf(stopIds);
      return this;
    }

    /**
     * Makes the options.
     *
     * @return options that later changes of this builder do not reach
     */
    public GenerationOptions build() {
      return new GenerationOptions(this);
    }
  }
}
