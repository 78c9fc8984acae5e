// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.text.BytePairs;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;

/**
 * Greedy answers by the training module's own forward pass, without a cache. Each pass tries the right answer: how far the model says
 * just that, several ids are known at once.
 */
final class Answers implements AutoCloseable {
  static final int MOST_TOKENS = 64;
  private static final int AT_ONCE = 25;

  private final Network network;
  private final ModelShape shape;
  private final BytePairs tokenizer;
  private final Workers workers;
  private final boolean told;

  Answers(Weights weights, BytePairs tokenizer, boolean bfloat16, int threads) {
    this(weights, tokenizer, bfloat16, threads, false);
  }

  /** With {@code told}, images are put into words, so that the tower and the projector have no part in the answers. */
  Answers(Weights weights, BytePairs tokenizer, boolean bfloat16, int threads, boolean told) {
    this.told = told;
    network = new Network(weights, bfloat16);
    shape = weights.shape();
    this.tokenizer = tokenizer;
    workers = new Workers(threads);
  }

  /** The ids that follow each prompt, without the one that ends an answer. */
  List<int[]> ids(List<Item> items, int mostTokens) {
    int parts = (items.size() + AT_ONCE - 1) / AT_ONCE;
    return workers
        .all(parts, i -> some(items.subList(i * AT_ONCE, Math.min(items.size(), (i + 1) * AT_ONCE)), mostTokens))
        .stream()
        .flatMap(List::stream)
        .toList();
  }

  /** The text of each answer. */
  List<String> texts(List<Item> items) {
    return ids(items, MOST_TOKENS).stream().map(tokenizer::decode).toList();
  }

  private List<int[]> some(List<Item> items, int mostTokens) {
    int end = tokenizer.id(TokenizerFiles.END);
    List<Answer> answers = new ArrayList<>();
    List<Sequence> prompts = new ArrayList<>();
    for (Item item : items) {
      int[] expected = tokenizer.encode(item.expected());
      answers.add(new Answer(Arrays.copyOf(expected, Math.min(expected.length, mostTokens))));
      prompts.add(Sequence.prompt(tokenizer, item));
    }
    try (PointerScope scope = new PointerScope();
        AutoGradMode off = new AutoGradMode(false)) {
      Batch first = Batch.of(prompts, shape, told ? tokenizer : null);
      Tensor images = Losses.imageTokens(network, first, shape);
      while (!answers.stream().allMatch(answer -> answer.done)) {
        List<int[]> guesses = answers.stream().map(Answer::guess).toList();
        Batch batch = first.extended(guesses);
        List<Long> asked = new ArrayList<>();
        List<Integer> from = new ArrayList<>();
        for (int i = 0; i < answers.size(); i++) {
          from.add(asked.size());
          for (int k = answers.get(i).done ? -1 : guesses.get(i).length - answers.get(i).ids.length; k >= 0; k--) {
            asked.add(batch.ends()[i] - k);
          }
        }
        long[] best = best(batch, images, asked.stream().mapToLong(Long::longValue).toArray());
        for (int i = 0; i < answers.size(); i++) {
          answers.get(i).take(guesses.get(i), best, from.get(i), end, mostTokens);
        }
      }
    }
    return answers.stream().map(answer -> answer.ids).toList();
  }

  /** The best next id behind each of these rows. */
  private long[] best(Batch batch, Tensor images, long[] asked) {
    long[] best = new long[asked.length];
    try (PointerScope scope = new PointerScope()) {
      Tensor rows = Losses.rows(network, batch, images, shape).index_select(0, AbstractTensor.create(asked, asked.length));
      network.logits(rows).argmax(new LongOptional(1), false).<LongBuffer>createBuffer().get(best);
    }
    return best;
  }

  /** An answer under way. */
  private static final class Answer {
    private final int[] expected;
    private int[] ids = new int[0];
    private boolean done;

    Answer(int[] expected) {
      this.expected = expected;
    }

    /** What it may become: the right answer as long as it begins like that. Nothing where it is done. */
    int[] guess() {
      int known = ids.length;
      boolean begins = known <= expected.length && Arrays.equals(ids, 0, known, expected, 0, known);
      return done ? new int[0] : begins ? expected : ids;
    }

    /** Goes on by the best ids, of which the first stands behind what is known and each other behind a further id of the guess. */
    void take(int[] guess, long[] best, int from, int end, int mostTokens) {
      boolean guessed = true;
      for (int at = from; guessed && !done; at++) {
        int next = (int) best[at];
        done = next == end;
        if (!done) {
          guessed = ids.length < guess.length && guess[ids.length] == next;
          ids = Arrays.copyOf(ids, ids.length + 1);
          ids[ids.length - 1] = next;
          done = ids.length == mostTokens;
        }
      }
    }
  }

  @Override
  public void close() {
    workers.close();
  }
}
