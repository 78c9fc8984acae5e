// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import org.bytedeco.javacpp.BytePointer;

/**
 * How to load a model. Immutable; what is not set is the engine's default.
 */
public final class LoadOptions {
  private final String backend;
  private final String precision;
  private final Optional<Path> cacheDir;
  private final int device;
  private final int threads;
  private final int contextLength;
  private final int maxRequests;
  private final long imageCacheBytes;
  private final long prefixCacheBytes;
  private final String promptTemplate;
  private final boolean imagesOnly;

  private LoadOptions(Builder builder) {
    backend = builder.backend;
    precision = builder.precision;
    cacheDir = builder.cacheDir;
    device = builder.device;
    threads = builder.threads;
    contextLength = builder.contextLength;
    maxRequests = builder.maxRequests;
    imageCacheBytes = builder.imageCacheBytes;
    prefixCacheBytes = builder.prefixCacheBytes;
    promptTemplate = builder.promptTemplate;
    imagesOnly = builder.imagesOnly;
  }

  /**
   * The engine's defaults.
   *
   * @return options in which nothing was set
   */
  public static LoadOptions defaults() {
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
    builder.backend = backend;
    builder.precision = precision;
    builder.cacheDir = cacheDir;
    builder.device = device;
    builder.threads = threads;
    builder.contextLength = contextLength;
    builder.maxRequests = maxRequests;
    builder.imageCacheBytes = imageCacheBytes;
    builder.prefixCacheBytes = prefixCacheBytes;
    builder.promptTemplate = promptTemplate;
    builder.imagesOnly = imagesOnly;
    return builder;
  }

  /**
   * What runs the model.
   *
   * @return "auto", "onnxruntime" or "tensorrt"
   */
  public String backend() {
    return backend;
  }

  /**
   * The precision to compute in.
   *
   * @return "default" for the engine's choice on this machine, "fp32", "bf16", "int8" or "int4"
   */
  public String precision() {
    return precision;
  }

  /**
   * The folder of compiled plans; without one $VILA_CACHE, $XDG_CACHE_HOME/vila4j or ~/.cache/vila4j.
   *
   * @return the folder
   */
  public Optional<Path> cacheDir() {
    return cacheDir;
  }

  /**
   * The CUDA device of the backend tensorrt.
   *
   * @return its number; 0 for other backends
   */
  public int device() {
    return device;
  }

  /**
   * Threads of one computation.
   *
   * @return 0 for the number of physical cores
   */
  public int threads() {
    return threads;
  }

  /**
   * Most positions of one session.
   *
   * @return 0 for the checkpoint's own limit
   */
  public int contextLength() {
    return contextLength;
  }

  /**
   * Requests of the model's sessions that are computed at once; further ones wait in the order of arrival.
   *
   * @return at least 1
   */
  public int maxRequests() {
    return maxRequests;
  }

  /**
   * Bound of the cache of image tokens.
   *
   * @return bytes; 0 turns it off
   */
  public long imageCacheBytes() {
    return imageCacheBytes;
  }

  /**
   * Bound of the cache of keys and values that ended sessions leave behind.
   *
   * @return bytes; 0 turns it off
   */
  public long prefixCacheBytes() {
    return prefixCacheBytes;
  }

  /**
   * The template of prompts that name none.
   *
   * @return a template's id; empty for the checkpoint's own
   */
  public String promptTemplate() {
    return promptTemplate;
  }

  /**
   * Whether only the vision tower and the projector are loaded.
   *
   * @return whether sessions are refused
   */
  public boolean imagesOnly() {
    return imagesOnly;
  }

  /** The native options; the caller closes them. */
  io.github.vila4j.internal.LoadOptions toNative() {
    io.github.vila4j.internal.LoadOptions options = new io.github.vila4j.internal.LoadOptions();
    try (BytePointer backendText = Text.toNative("backend", backend);
        BytePointer precisionText = Text.toNative("precision", precision);
        BytePointer cacheText = Text.toNative("cache folder", cacheDir.map(Path::toString).orElse(""));
        BytePointer templateText = Text.toNative("template", promptTemplate)) {
      options.backend(backendText);
      options.precision(precisionText);
      options.cache_dir(cacheText);
      options.device(device);
      options.threads(threads);
      options.context_length(contextLength);
      options.max_requests(maxRequests);
      options.image_cache_bytes(imageCacheBytes);
      options.prefix_cache_bytes(prefixCacheBytes);
      options.prompt_template(templateText);
      options.images_only(imagesOnly);
      return options;
    } catch (Throwable e) {
      options.close();
      throw e;
    }
  }

  /** Collects options. Values are checked when they are used. Not thread-safe. */
  public static final class Builder {
    private String backend = "auto";
    private String precision = "default";
    private Optional<Path> cacheDir = Optional.empty();
    private int device = 0;
    private int threads = 0;
    private int contextLength = 0;
    private int maxRequests = 8;
    private long imageCacheBytes = 256L << 20;
    private long prefixCacheBytes = 512L << 20;
    private String promptTemplate = "";
    private boolean imagesOnly = false;

    private Builder() {}

    /**
     * What runs the model.
     *
     * @param backend "auto", "onnxruntime" or "tensorrt" (a CUDA device, with the artifact vila4j-gpu and
     *     TensorRT 11)
     * @return this
     */
    public Builder backend(String backend) {
      this.backend = Objects.requireNonNull(backend, "backend");
      return this;
    }

    /**
     * The precision to compute in.
     *
     * @param precision "fp32", "bf16" (weights of linear layers in bfloat16, in the checkpoint's own files where they have that
     *     type, else rounded and written once; what enters them rounded to it where the processor multiplies bfloat16; the KV
     *     cache in fp16), "int8" (weights of linear layers and what enters them in 8 bits, the KV cache in fp16), "int4" (the
     *     same, the decoder's blocks in 4 bits, but for layers that this would harm), or "default": the first of these whose
     *     weights take at most 0.6 of the memory, or int4; quantised weights are written once, beside the plans
     * @return this
     */
    public Builder precision(String precision) {
      this.precision = Objects.requireNonNull(precision, "precision");
      return this;
    }

    /**
     * The folder of compiled plans; without one $VILA_CACHE, $XDG_CACHE_HOME/vila4j or ~/.cache/vila4j.
     *
     * @param cacheDir the folder
     * @return this
     */
    public Builder cacheDir(Path cacheDir) {
      this.cacheDir = Optional.of(cacheDir);
      return this;
    }

    /**
     * The CUDA device of the backend tensorrt, on which its plans are built and run. {@code CUDA_VISIBLE_DEVICES} hides devices;
     * the rest are counted from 0.
     *
     * @param device its number, as {@link Vila#doctor()} lists them; 0 unless set, and for other backends
     * @return this
     */
    public Builder device(int device) {
      this.device = device;
      return this;
    }

    /**
     * Threads of one computation.
     *
     * @param threads 0 for the number of physical cores
     * @return this
     */
    public Builder threads(int threads) {
      this.threads = threads;
      return this;
    }

    /**
     * Most positions of one session.
     *
     * @param contextLength 0 for the checkpoint's own limit
     * @return this
     */
    public Builder contextLength(int contextLength) {
      this.contextLength = contextLength;
      return this;
    }

    /**
     * Requests of the model's sessions that are computed at once; further ones wait in the order of arrival. But for {@code fp32}
     * on the CPU, where they take turns, those at once share each decoding step, which costs little more than a step of one. Each
     * holds its session's KV cache.
     *
     * @param maxRequests at least 1; 8 unless set
     * @return this
     */
    public Builder maxRequests(int maxRequests) {
      this.maxRequests = maxRequests;
      return this;
    }

    /**
     * Bound of the cache of image tokens.
     *
     * @param imageCacheBytes bytes; 0 turns it off
     * @return this
     */
    public Builder imageCacheBytes(long imageCacheBytes) {
      this.imageCacheBytes = imageCacheBytes;
      return this;
    }

    /**
     * Bound of the cache of keys and values that ended sessions leave behind. A prompt that begins as another did (the examples
     * of few-shot prompts, long instructions, a conversation that is sent whole) copies what they share from there, or from an
     * open session that is idle, and computes the rest; {@link Usage#cachedTokens} says how much that was.
     *
     * @param prefixCacheBytes bytes; 512 MiB unless set; 0 turns it off, and sessions share nothing
     * @return this
     */
    public Builder prefixCacheBytes(long prefixCacheBytes) {
      this.prefixCacheBytes = prefixCacheBytes;
      return this;
    }

    /**
     * The template of prompts that name none.
     *
     * @param promptTemplate a template's id; empty for the checkpoint's own
     * @return this
     */
    public Builder promptTemplate(String promptTemplate) {
      this.promptTemplate = Objects.requireNonNull(promptTemplate, "promptTemplate");
      return this;
    }

    /**
     * Loads only the vision tower and the projector: {@link VilaModel#encodeImage} works, sessions throw
     * {@link UnsupportedException}.
     *
     * @param imagesOnly whether to leave out the language model
     * @return this
     */
    public Builder imagesOnly(boolean imagesOnly) {
      this.imagesOnly = imagesOnly;
      return this;
    }

    /**
     * Makes the options.
     *
     * @return options that later changes of this builder do not reach
     */
    public LoadOptions build() {
      return new LoadOptions(this);
    }
  }
}
