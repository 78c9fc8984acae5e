// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.TokenProbabilityVector;
import java.util.ArrayList;
import java.util.List;

/** What generation gave. Immutable. */
public final class Completion {
  private final String text;
  private final int[] ids;
  private final FinishReason finishReason;
  private final Usage usage;
  private final Timings timings;
  private final long seed;
  private final float[] logprobs;
  private final List<List<TokenProbability>> topLogprobs;

  Completion(io.github.vila4j.internal.Completion completion) {
    text = Text.take(completion.text());
    ids = NativeArrays.take(completion.ids());
    finishReason = FinishReason.values()[completion.finish_reason().value];
    usage =
        new Usage(
            completion.prompt_tokens(), completion.image_tokens(), completion.cached_tokens(), completion.completion_tokens());
    timings = new Timings(completion.image_seconds(), completion.prefill_seconds(), completion.decode_seconds());
    seed = completion.seed();
    logprobs = NativeArrays.take(completion.logprobs());
    topLogprobs = top(completion.top_logprobs(), ids.length);
  }

  private Completion() {
    text = "";
    ids = new int[0];
    finishReason = FinishReason.CANCELLED;
    usage = new Usage(0, 0, 0, 0);
    timings = new Timings(0, 0, 0);
    seed = 0;
    logprobs = new float[0];
    topLogprobs = List.of();
  }

  /** What there is of an answer that was cancelled before it began; no seed was used. */
  static Completion cancelled() {
    return new Completion();
  }

  private static List<List<TokenProbability>> top(TokenProbabilityVector flat, int count) {
    int size = Math.toIntExact(flat.size());
    if (size == 0 || count == 0) {
      return List.of();
    }
    int each = size / count;
    List<List<TokenProbability>> rows = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      List<TokenProbability> row = new ArrayList<>();
      for (int j = 0; j < each; j++) {
        io.github.vila4j.internal.TokenProbability token = flat.get((long) i * each + j);
        row.add(new TokenProbability(token.id(), token.logprob()));
      }
      rows.add(List.copyOf(row));
    }
    return List.copyOf(rows);
  }

  /**
   * The answer, without stop string and without special tokens.
   *
   * @return the text
   */
  public String text() {
    return text;
  }

  /**
   * The generated ids; a stop id that ended generation is not among them.
   *
   * @return a copy
   */
  public int[] ids() {
    return ids.clone();
  }

  /**
   * Why generation ended.
   *
   * @return the reason
   */
  public FinishReason finishReason() {
    return finishReason;
  }

  /**
   * Counts of tokens.
   *
   * @return the counts
   */
  public Usage usage() {
    return usage;
  }

  /**
   * How long each stage took.
   *
   * @return the times
   */
  public Timings timings() {
    return timings;
  }

  /**
   * The seed that was used: with it and the same options, sampling gives the same answer.
   *
   * @return the given or the fresh seed
   */
  public long seed() {
    return seed;
  }

  /**
   * The natural-log probability of each generated id, when {@link GenerationOptions#topLogprobs()} asked for it.
   *
   * @return a copy; empty when not asked for
   */
  public float[] logprobs() {
    return logprobs.clone();
  }

  /**
   * The most probable ids at each generated one, best first, when {@link GenerationOptions#topLogprobs()} asked for them.
   *
   * @return a list per generated id; empty when not asked for
   */
  public List<List<TokenProbability>> topLogprobs() {
    return topLogprobs;
  }

  /** The text. */
  @Override
  public String toString() {
    return text;
  }
}
