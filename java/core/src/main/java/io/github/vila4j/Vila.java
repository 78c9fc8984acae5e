// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.Model;
import io.github.vila4j.internal.Natives;
import io.github.vila4j.internal.StringVector;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;

/**
 * The way in: loads VILA vision-language models from Hugging Face checkpoint folders.
 *
 * <pre>{@code
 * try (VilaModel model = Vila.load(Path.of("VILA1.5-3b"))) {
 *   VilaImage photo = VilaImage.of(Path.of("photo.jpg"));
 *   System.out.println(model.generate(Prompt.of("<image>\nWhat is in the image?", photo)).text());
 * }
 * }</pre>
 *
 * <p>The native library is loaded at the first use; the system properties {@code io.github.vila4j.library.path} (a folder that
 * holds it) and {@code io.github.vila4j.cache.dir} (where it is extracted to) say from where. Native log lines go to the SLF4J
 * logger {@code io.github.vila4j.native}. All methods may be called from any thread, and throw {@link VilaException} for what
 * vila4j refuses or fails to do.
 */
public final class Vila {
  private Vila() {}

  /**
   * Loads a checkpoint with the default options.
   *
   * @param checkpoint the checkpoint's folder
   * @return the model, to be closed
   */
  public static VilaModel load(Path checkpoint) {
    return load(checkpoint, LoadOptions.defaults(), null);
  }

  /**
   * Loads a checkpoint, compiling its plans first where the cache holds none.
   *
   * @param checkpoint the checkpoint's folder
   * @param options how to load it
   * @param progress told how far it is, or null
   * @return the model, to be closed
   * @throws NotFoundException when the folder or a file in it does not exist
   * @throws DamagedFileException when a file of the checkpoint is damaged
   * @throws UnsupportedException when the checkpoint is of a kind that is not supported
   * @throws CancelledException when the listener cancelled
   */
  public static VilaModel load(Path checkpoint, LoadOptions options, ProgressListener progress) {
    return new VilaModel(prepare(checkpoint, options, progress, listener -> (path, how) -> Model.load(path, how, listener)));
  }

  /**
   * Compiles the plans of a checkpoint into the cache, so that loading it later is quick.
   *
   * @param checkpoint the checkpoint's folder
   * @param options how it will be loaded
   * @param progress told how far it is, or null
   * @return a line per plan: its name, its bytes, and whether it was there already
   * @throws CancelledException when the listener cancelled
   */
  public static List<String> compile(Path checkpoint, LoadOptions options, ProgressListener progress) {
    try (StringVector lines =
        prepare(checkpoint, options, progress, listener -> (path, how) -> Model.compile(path, how, listener))) {
      return Text.list(lines);
    }
  }

  /** A native call that takes a path and options, given a listener. */
  private interface Preparation<T> {
    BiFunction<BytePointer, io.github.vila4j.internal.LoadOptions, T> with(ProgressBridge listener);
  }

  private static <T extends Pointer> T prepare(
      Path checkpoint, LoadOptions options, ProgressListener progress, Preparation<T> work) {
    Engine.start();
    if (options.backend().equals("tensorrt")) {
      Engine.startGpu();
    }
    Callback callback = new Callback();
    try (BytePointer path = Text.toNative("checkpoint", checkpoint.toString());
        io.github.vila4j.internal.LoadOptions how = options.toNative();
        ProgressBridge bridge = progress == null ? null : new ProgressBridge(progress, callback)) {
      return NativeErrors.translating(() -> work.with(bridge).apply(path, how));
    } catch (VilaException e) {
      callback.rethrow();
      throw e;
    }
  }

  /**
   * Reads what a checkpoint is, without loading its weights.
   *
   * @param checkpoint the checkpoint's folder
   * @return its description
   */
  public static ModelInfo describe(Path checkpoint) {
    Engine.start();
    try (BytePointer path = Text.toNative("checkpoint", checkpoint.toString());
        io.github.vila4j.internal.ModelInfo info = NativeErrors.translating(() -> Model.describe(path))) {
      return ModelInfo.of(info);
    }
  }

  /**
   * Looks at a checkpoint's configuration, tokenizer and weight headers, without loading its weights. Throws nothing for what is
   * wrong with the folder: that is in the report.
   *
   * @param checkpoint the checkpoint's folder
   * @return what it is, and everything that keeps it from running
   */
  public static CheckpointReport inspect(Path checkpoint) {
    Engine.start();
    try (BytePointer path = Text.toNative("checkpoint", checkpoint.toString());
        var report = NativeErrors.translating(() -> Natives.inspect_checkpoint(path))) {
      return CheckpointReport.of(report);
    }
  }

  /**
   * The folder of a checkpoint with random weights, for measuring without a model. It is written into the cache where it is not there
   * yet. It runs in bf16, int8 and int4: linear layers are drawn at random when its plans are made. Its tokenizer has an id a byte.
   *
   * @param model whose sizes it has: vila1.5-3b, llama3-8b (Llama-3-VILA1.5-8B), vila-7b or vila-13b
   * @param options whose cache folder is taken
   * @return the checkpoint's folder
   * @throws InvalidArgumentException for another name
   * @throws FileAccessException when the folder cannot be written
   */
  public static Path syntheticCheckpoint(String model, LoadOptions options) {
    Engine.start();
    try (BytePointer name = Text.toNative("synthetic model", model);
        BytePointer cache = Text.toNative("cache folder", options.cacheDir().map(Path::toString).orElse(""))) {
      return Path.of(Text.take(NativeErrors.translating(() -> Natives.synthetic_checkpoint(name, cache))));
    }
  }

  /**
   * What this processor's best instructions for 8 bits reach, of those that the engine uses, on registers alone, measured for a quarter
   * of a second. No product reaches it, because numbers have to be read, unpacked and scaled, too.
   *
   * @param threads how many threads; 0 for the number of physical cores
   * @return multiply-accumulates a second
   * @throws InvalidArgumentException for fewer than 0 or more than 1024 threads
   */
  public static double int8Peak(int threads) {
    Engine.start();
    return NativeErrors.translating(() -> Natives.int8_peak(threads));
  }

  /**
   * The same for products with weights in bfloat16: in that type where the processor multiplies it, else in float32.
   *
   * @param threads how many threads; 0 for the number of physical cores
   * @return multiply-accumulates a second
   * @throws InvalidArgumentException for fewer than 0 or more than 1024 threads
   */
  public static double bf16Peak(int threads) {
    Engine.start();
    return NativeErrors.translating(() -> Natives.bf16_peak(threads));
  }

  /**
   * Looks at the libraries, devices and CPU features that vila4j uses; those that jars on the class path hold for the backend
   * tensorrt are extracted first. Throws nothing for what is missing: where even the native
   * library cannot be loaded, that is the only line.
   *
   * @return a line per thing looked at
   */
  public static List<Check> doctor() {
    try {
      Engine.start();
    } catch (NativeLibraryException e) {
      return List.of(new Check("native library", false, true, e.getMessage()));
    }
    List<Check> lines = new ArrayList<>();
    try {
      Engine.startGpu();
    } catch (FileAccessException e) {
      lines.add(new Check("GPU libraries", false, false, e.getMessage()));
    }
    try (var checks = NativeErrors.translating(Natives::doctor)) {
      lines.addAll(0, Check.list(checks));
    }
    return List.copyOf(lines);
  }

  /**
   * The version of the native library.
   *
   * @return for example 0.1.0
   */
  public static String version() {
    Engine.start();
    return Text.take(NativeErrors.translating(Natives::version));
  }

  /**
   * The number of native objects that live in this process, for leak tests.
   *
   * @return zero when everything is closed
   */
  public static long liveObjectCount() {
    Engine.start();
    return NativeErrors.translating(Natives::live_object_count);
  }

  /**
   * The native objects that live in this process by type, for leak tests.
   *
   * @return a line {@code Type count} per type
   */
  public static List<String> liveObjects() {
    Engine.start();
    return Text.take(NativeErrors.translating(Natives::live_objects)).lines().toList();
  }
}
