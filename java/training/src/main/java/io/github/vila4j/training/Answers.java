// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;

/** Greedy answers by the training module's own forward pass, without a cache. */
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
    List<int[]> answers = new ArrayList<>();
    List<Sequence> prompts = new ArrayList<>();
    for (Item item : items) {
      answers.add(new int[0]);
      prompts.add(Sequence.prompt(tokenizer, item));
    }
    boolean[] done = new boolean[items.size()];
    try (PointerScope scope = new PointerScope();
        AutoGradMode off = new AutoGradMode(false)) {
      Batch first = Batch.of(prompts, shape, told ? tokenizer : null);
      Tensor images = Losses.imageTokens(network, first, shape);
      for (int step = 0; step < mostTokens; step++) {
        try (PointerScope inner = new PointerScope()) {
          Batch batch = first.extended(answers);
          Tensor rows = Losses.rows(network, batch, images, shape);
          Tensor ends = rows.index_select(0, AbstractTensor.create(batch.ends(), batch.ends().length));
          Tensor best = network.logits(ends).argmax(new LongOptional(1), false);
          long[] next = new long[items.size()];
          best.<java.nio.LongBuffer>createBuffer().get(next);
          boolean any = false;
          for (int i = 0; i < next.length; i++) {
            done[i] |= next[i] == end;
            if (!done[i]) {
              int[] answer = Arrays.copyOf(answers.get(i), answers.get(i).length + 1);
              answer[answer.length - 1] = (int) next[i];
              answers.set(i, answer);
              any = true;
            }
          }
          if (!any) {
            break;
          }
        }
      }
    }
    return answers;
  }

  @Override
  public void close() {
    workers.close();
  }
}
