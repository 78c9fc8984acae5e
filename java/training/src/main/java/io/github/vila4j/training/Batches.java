// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Rng;
import io.github.vila4j.shapes.Scene;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;

/**
 * The batches of a stage in their order, made ahead by background threads. What a batch holds depends on the recipe, the stage and
 * its number only. Sequences are made in pools and sorted by length within one, so that little is padded.
 */
final class Batches implements AutoCloseable {
  private static final int POOL = 256;
  private static final int AHEAD = 6;

  /** Where a batch comes from: its pool, its number there, and how many batches the pools before it had. */
  record Cursor(int pool, int index, int before) {
    static final Cursor START = new Cursor(0, 0, 0);
  }

  /** A batch and where the next one comes from. */
  record Step(Batch batch, Cursor next) {}

  /** A step under way. */
  private record Pending(Future<Batch> batch, Cursor next) {}

  private final Recipe recipe;
  private final int stageNumber;
  private final Stage stage;
  private final ModelShape shape;
  private final BytePairs tokenizer;
  private final ExecutorService threads;
  private final Deque<Pending> pending = new ArrayDeque<>();
  private List<List<Sequence>> pool;
  private Cursor cursor;

  Batches(Recipe recipe, int stageNumber, ModelShape shape, BytePairs tokenizer, Cursor from, int threadCount) {
    this.recipe = recipe;
    this.stageNumber = stageNumber;
    this.stage = recipe.stages().get(stageNumber);
    this.shape = shape;
    this.tokenizer = tokenizer;
    cursor = from;
    threads = DaemonThreads.pool(threadCount, "batches");
  }

  /** The next batch, once it is ready. */
  Step next() {
    while (pending.size() < AHEAD) {
      pending.add(submit());
    }
    Pending first = pending.remove();
    try {
      return new Step(first.batch.get(), first.next);
    } catch (ExecutionException e) {
      throw new IllegalStateException("batch: " + e.getCause(), e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted", e);
    }
  }

  private Items items(int number, int index) {
    long stream = Rng.mix(recipe.seed(), stageNumber, number);
    return isTold(number) ? Items.beginTold(Split.TRAIN, stream, index) : Items.begin(Split.TRAIN, stream, index);
  }

  /** Whether the images of a pool are put into words: in some stages all, in others every fourth, that nothing be forgotten. */
  private boolean isTold(int number) {
    return switch (stage.kind()) {
      case LANGUAGE -> true;
      case INTERLEAVED, PAIRS, TUNING, TUNING_ON_SHAPES -> number % 4 == 3;
      case PATCHES, PROJECTOR -> false;
    };
  }

  private Pending submit() {
    if (stage.kind().ofImagesAlone()) {
      int number = cursor.pool;
      cursor = new Cursor(number + 1, 0, cursor.before + 1);
      return new Pending(threads.submit(() -> scenes(number)), cursor);
    }
    if (pool == null) {
      pool = pool(cursor);
    }
    List<Sequence> sequences = pool.get(cursor.index);
    BytePairs teller = isTold(cursor.pool) ? tokenizer : null;
    cursor = new Cursor(cursor.pool, cursor.index + 1, cursor.before);
    if (cursor.index == pool.size()) {
      cursor = new Cursor(cursor.pool + 1, 0, cursor.before + pool.size());
      pool = null;
    }
    return new Pending(threads.submit(() -> Batch.of(sequences, shape, teller)), cursor);
  }

  private Batch scenes(int number) {
    List<Scene> scenes = new ArrayList<>();
    for (int i = 0; i < recipe.images() / 2; i++) {
      Items items = items(number, i);
      scenes.add(i % 2 == 0 ? items.scene(6) : items.counted(1).scenes().get(0));
    }
    return Batch.ofScenes(scenes, stage.kind() == Stage.Kind.PATCHES ? scenes.size() / 2 : 0, shape, tokenizer);
  }

  /** The batches of a pool in an order by chance. */
  private List<List<Sequence>> pool(Cursor at) {
    int number = at.pool;
    double progress = Math.min(1, at.before / (double) (stage.updates() * recipe.batches()));
    List<Sequence> sequences = new ArrayList<>();
    for (int i = 0; i < POOL; i++) {
      Sequence sequence = Mixture.next(stage, items(number, i), tokenizer, progress);
      if (sequence.length(shape.imageTokens()) <= Math.min(recipe.positions(), ModelShape.MAX_POSITIONS)
          && sequence.scenes().size() <= recipe.images()) {
        sequences.add(sequence);
      }
    }
    sequences.sort(Comparator.comparingInt(s -> s.length(shape.imageTokens())));
    List<List<Sequence>> batches = new ArrayList<>();
    List<Sequence> batch = new ArrayList<>();
    int images = 0;
    for (Sequence sequence : sequences) {
      boolean full = (batch.size() + 1) * sequence.length(shape.imageTokens()) > recipe.positions();
      if (full || images + sequence.scenes().size() > recipe.images()) {
        batches.add(batch);
        batch = new ArrayList<>();
        images = 0;
      }
      batch.add(sequence);
      images += sequence.scenes().size();
    }
    batches.add(batch);
    return new Rng(Rng.mix(recipe.seed(), stageNumber, number, -1)).shuffled(batches);
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
