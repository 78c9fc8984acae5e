// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import com.google.gson.JsonObject;
import io.github.vila4j.shapes.text.BytePairs;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;

/** The folder of a training run: its recipe, its tokenizer, its last state and its log. */
final class RunFolder {
  private static final String RECIPE = "recipe.json";
  private static final String STATE = "state.safetensors";

  private final Path folder;

  /**
   * How far a run is.
   *
   * @param stage the number of the stage under way; the number of stages when all are done
   * @param update how many of its updates are done
   * @param cursor where its next batch comes from
   * @param seconds spent on all updates so far
   */
  record Position(int stage, int update, Batches.Cursor cursor, double seconds) {
    static final Position START = new Position(0, 0, Batches.Cursor.START, 0);

    Position nextStage() {
      return new Position(stage + 1, 0, Batches.Cursor.START, seconds);
    }
  }

  RunFolder(Path folder) {
    this.folder = folder;
  }

  Path path() {
    return folder;
  }

  /** Takes the folder for this process until it is closed. */
  FileChannel lock() throws IOException {
    Files.createDirectories(folder);
    FileChannel channel = FileChannel.open(folder.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    try {
      if (channel.tryLock() != null) {
        return channel;
      }
    } catch (OverlappingFileLockException e) {
      // Another trainer of this process: the same answer.
    }
    channel.close();
    throw new IOException(folder + ": another process trains here");
  }

  /** The recipe the run was begun with; {@code fresh} begins one. */
  Recipe recipe(Recipe fresh) throws IOException {
    Path file = folder.resolve(RECIPE);
    if (Files.exists(file)) {
      return Json.read(file, Recipe.class);
    }
    Files.createDirectories(folder);
    Json.write(file, fresh);
    return fresh;
  }

  /** The run's tokenizer, learnt at its first use. */
  BytePairs tokenizer() throws IOException {
    Path own = folder.resolve("tokenizer");
    if (!Files.exists(own.resolve("special_tokens_map.json"))) {
      Files.createDirectories(own);
      TokenizerFiles.write(own, TokenizerFiles.learn());
    }
    return TokenizerFiles.read(own);
  }

  /** Writes the state beside the old one and then takes its place, so that a kill at any time leaves one of the two whole. */
  void save(Position position, Weights weights, AdamW optimizer) throws IOException {
    Map<String, Safetensors.Values> tensors = new LinkedHashMap<>();
    put(tensors, "weights", weights.values());
    put(tensors, "mean", optimizer == null ? new float[0] : optimizer.mean());
    put(tensors, "square", optimizer == null ? new float[0] : optimizer.square());
    JsonObject about = Json.tree(position);
    about.addProperty("steps", optimizer == null ? 0 : optimizer.steps());
    Path fresh = folder.resolve(STATE + ".new");
    Safetensors.write(fresh, tensors, false, Map.of("state", about.toString()));
    Files.move(fresh, folder.resolve(STATE), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  private static void put(Map<String, Safetensors.Values> tensors, String name, float[] values) {
    tensors.put(name, new Safetensors.Values(new long[] {values.length}, values));
  }

  /** What {@link #save} wrote. */
  record State(Position position, int steps, float[] weights, float[] mean, float[] square) {}

  /** The model of the last state of a run that exists. */
  TrainedModel model() throws IOException {
    for (String name : new String[] {RECIPE, STATE}) {
      if (!Files.exists(folder.resolve(name))) {
        throw new IOException(folder + ": found no " + name + ", expected the folder of a run that has saved a state");
      }
    }
    BytePairs tokenizer = tokenizer();
    Weights weights = new Weights(Json.read(folder.resolve(RECIPE), Recipe.class).shape(tokenizer.size()));
    weights.set(load().weights());
    return new TrainedModel(weights, tokenizer);
  }

  /** The last state, or null before the first. */
  State load() throws IOException {
    Path file = folder.resolve(STATE);
    if (!Files.exists(file)) {
      return null;
    }
    Map<String, Safetensors.Values> tensors = Safetensors.read(file);
    JsonObject about = Json.parse(Safetensors.metadata(file).get("state").getAsString());
    return new State(
        Json.of(about, Position.class), about.get("steps").getAsInt(), tensors.get("weights").values(),
        tensors.get("mean").values(), tensors.get("square").values());
  }

  /** Begins with the tokenizer and the last state of another run, unless this one has begun; its recipe starts with the other's. */
  void beginFrom(RunFolder other) throws IOException {
    if (!Files.exists(folder.resolve(STATE))) {
      TokenizerFiles.write(Files.createDirectories(folder.resolve("tokenizer")), other.tokenizer());
      Files.copy(other.folder.resolve(STATE), folder.resolve(STATE + ".new"), StandardCopyOption.REPLACE_EXISTING);
      Files.move(folder.resolve(STATE + ".new"), folder.resolve(STATE), StandardCopyOption.ATOMIC_MOVE);
    }
  }

  /** Appends a line to the log. */
  void log(JsonObject line) throws IOException {
    Files.writeString(folder.resolve("log.jsonl"), line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }
}
