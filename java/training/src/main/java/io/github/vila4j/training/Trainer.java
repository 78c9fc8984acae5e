// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import com.google.gson.JsonObject;
import io.github.vila4j.shapes.text.BytePairs;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import me.tongfei.progressbar.ProgressBar;

/** Runs a recipe, from its last saved state on. */
final class Trainer {
  private static final double WARM_UP = 0.1;
  private static final double LEAST_RATE = 0.05;
  private static final long SAVE_SECONDS = 120;
  private static final int LOG_EVERY = 25;

  private final RunFolder run;
  private final Recipe recipe;
  private final boolean bfloat16;
  private final int threads;
  private volatile boolean stopped;
  private long updatesLeft = Long.MAX_VALUE;

  /**
   * @param run where it is kept
   * @param recipe its recipe
   * @param bfloat16 whether matrix products of stages of images alone are bfloat16: their batches all have the same sizes. With others,
   *     PyTorch prepares its bfloat16 products anew for most batches, and an update takes three times as long as in float32
   * @param threads batches at once
   */
  Trainer(RunFolder run, Recipe recipe, boolean bfloat16, int threads) {
    this.run = run;
    this.recipe = recipe;
    this.bfloat16 = bfloat16;
    this.threads = threads;
  }

  /** Ends the run soon, saved. */
  void stop() {
    stopped = true;
  }

  /** Ends the run, saved, after so many updates from now. */
  void stopAfter(long updates) {
    updatesLeft = updates;
  }

  /** Trains until all stages are done or the time is over; returns whether all are done. */
  boolean run(double seconds) throws IOException {
    BytePairs tokenizer = run.tokenizer();
    ModelShape shape = recipe.shape(tokenizer.size());
    long deadline = System.nanoTime() + (long) (Math.min(seconds, 1e8) * 1e9);
    try (FileChannel lock = run.lock();
        Weights weights = new Weights(shape, PropertyWords.of(tokenizer), recipe.seed())) {
      RunFolder.State state = run.load();
      RunFolder.Position position = state == null ? RunFolder.Position.START : state.position();
      if (state != null) {
        weights.set(state.weights());
      }
      while (position.stage() < recipe.stages().size()) {
        position = stage(position, state, weights, tokenizer, deadline);
        if (position == null) {
          return false;
        }
        run.save(position, weights, null);
        state = null;
      }
      return true;
    }
  }

  private double rate(Stage stage, int update) {
    double progress = update / (double) stage.updates();
    if (progress < WARM_UP) {
      return stage.rate() * (update + 1) / (WARM_UP * stage.updates() + 1);
    }
    double cosine = 0.5 * (1 + Math.cos(Math.PI * (progress - WARM_UP) / (1 - WARM_UP)));
    return stage.rate() * (LEAST_RATE + (1 - LEAST_RATE) * cosine);
  }

  /** Runs one stage to its end and returns where the next begins; null when the time was over, after saving. */
  private RunFolder.Position stage(
      RunFolder.Position position, RunFolder.State state, Weights weights, BytePairs tokenizer, long deadline) throws IOException {
    Stage stage = recipe.stages().get(position.stage());
    ModelShape shape = weights.shape();
    String name = String.format(Locale.ROOT, "%d/%d %s", position.stage() + 1, recipe.stages().size(), stage.kind());
    try (AdamW optimizer = new AdamW(weights, stage.parts(), FirstValues::pace);
        Batches batches = new Batches(recipe, position.stage(), shape, tokenizer, position.cursor(), threads);
        Workers workers = new Workers(threads);
        Gradients gradients = new Gradients(weights, stage, recipe.batches(), bfloat16 && stage.kind().ofImagesAlone(), workers);
        ProgressBar bar = Bars.of(name, stage.updates()).build()) {
      if (state != null && state.mean().length > 0) {
        optimizer.set(state.steps(), state.mean(), state.square());
      }
      double spent = position.seconds();
      double smooth = Double.NaN;
      long started = System.nanoTime();
      long saved = started;
      long waited = 0;
      long positions = 0;
      Batches.Cursor cursor = position.cursor();
      for (int update = position.update(); update < stage.updates(); update++) {
        long begin = System.nanoTime();
        List<Batch> learnt = new ArrayList<>();
        for (int i = 0; i < recipe.batches(); i++) {
          Batches.Step step = batches.next();
          learnt.add(step.batch());
          cursor = step.next();
          positions += step.batch().rows().length;
        }
        waited += System.nanoTime() - begin;
        double rate = rate(stage, update);
        double loss = gradients.of(learnt);
        double norm = optimizer.step(rate, gradients.views(), workers);
        smooth = Double.isNaN(smooth) ? loss : smooth + 0.05 * (loss - smooth);
        int done = update + 1;
        bar.stepTo(done);
        bar.setExtraMessage(String.format(Locale.ROOT, "loss %.4f", smooth));
        long now = System.nanoTime();
        if (done % LOG_EVERY == 0) {
          double elapsed = (now - started) / 1e9;
          JsonObject line = new JsonObject();
          line.addProperty("stage", stage.kind().name());
          line.addProperty("update", done);
          line.addProperty("of", stage.updates());
          line.addProperty("loss", smooth);
          line.addProperty("rate", rate);
          line.addProperty("gradient_norm", norm);
          line.addProperty("seconds", spent + elapsed);
          line.addProperty("updates_per_second", (done - position.update()) / elapsed);
          line.addProperty("positions_per_second", positions / elapsed);
          line.addProperty("waited_for_data", waited / 1e9 / elapsed);
          run.log(line);
        }
        boolean over = stopped || now > deadline || --updatesLeft <= 0;
        if (over || now - saved > SAVE_SECONDS * 1_000_000_000L) {
          run.save(new RunFolder.Position(position.stage(), done, cursor, spent + (now - started) / 1e9), weights, optimizer);
          saved = now;
          if (over) {
            return null;
          }
        }
      }
      spent += (System.nanoTime() - started) / 1e9;
      return new RunFolder.Position(position.stage(), stage.updates(), cursor, spent).nextStage();
    }
  }
}
