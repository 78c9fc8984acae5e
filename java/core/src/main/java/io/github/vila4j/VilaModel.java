// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.Model;
import java.lang.ref.Reference;

/**
 * A loaded checkpoint: compiled plans, tokenizer and image cache. Thread-safe: any number of threads may call it at once, and each
 * may have sessions of its own.
 *
 * <p>{@link #close()} frees it. That needs every session closed and no call inside; afterwards every method but {@code close}
 * throws {@link IllegalStateException}.
 */
public final class VilaModel implements AutoCloseable {
  private final Handle<Model> handle;
  private final Tokenizer tokenizer;
  private final VideoSampling videoSampling;
  private int openSessions;

  VilaModel(Model model) {
    io.github.vila4j.internal.Tokenizer shared;
    try (var sampling = NativeErrors.translating(model::video_sampling)) {
      videoSampling = VideoSampling.of(sampling);
      shared = NativeErrors.translating(model::tokenizer);
    } catch (Throwable e) {
      model.close();
      throw e;
    }
    handle = new Handle<>(this, model, shared::close);
    tokenizer = new Tokenizer(shared, this, handle);
  }

  /**
   * What this model is.
   *
   * @return its description
   */
  public ModelInfo info() {
    return handle.use(
        model -> {
          try (var info = model.info()) {
            return ModelInfo.of(info);
          }
        });
  }

  /**
   * The model's tokenizer. It lives as long as the model.
   *
   * @return always the same tokenizer
   */
  public Tokenizer tokenizer() {
    return tokenizer;
  }

  /**
   * Which frames of a video this model looks at.
   *
   * @return the rule of its family, with the checkpoint's number of frames
   */
  public VideoSampling videoSampling() {
    return videoSampling;
  }

  /**
   * A new session with an empty cache; memory is taken as prompts need it.
   *
   * @return the session, to be closed
   */
  public VilaSession newSession() {
    return handle.use(
        model -> {
          VilaSession session = new VilaSession(model.new_session(), videoSampling, this::sessionEnded);
          synchronized (this) {
            openSessions++;
          }
          return session;
        });
  }

  private synchronized void sessionEnded() {
    openSessions--;
  }

  /**
   * Answers a prompt greedily in a session of its own.
   *
   * @param prompt the prompt
   * @return the answer
   */
  public Completion generate(Prompt prompt) {
    return generate(prompt, GenerationOptions.defaults());
  }

  /**
   * Answers a prompt in a session of its own.
   *
   * @param prompt the prompt
   * @param options how to generate
   * @return the answer
   */
  public Completion generate(Prompt prompt, GenerationOptions options) {
    try (VilaSession session = newSession()) {
      return session.generate(prompt, options);
    }
  }

  /**
   * A prompt as the model sees it.
   *
   * @param prompt the prompt
   * @return its text, ids and image spans
   */
  public TokenizedPrompt tokenize(Prompt prompt) {
    return handle.use(
        model -> {
          try (var request = prompt.toNative(videoSampling);
              var tokenized = model.tokenize(request)) {
            return new TokenizedPrompt(tokenized);
          }
        });
  }

  /**
   * Runs one image, untiled, through every stage, past the image cache.
   *
   * @param image the image
   * @return the numbers of each stage
   */
  public EncodedImage encodeImage(VilaImage image) {
    return handle.use(
        model -> {
          try (var pixels = image.toNative();
              var encoded = model.encode_image(pixels)) {
            return EncodedImage.of(encoded);
          } finally {
            Reference.reachabilityFence(image); // it may keep memory of a device
          }
        });
  }

  /**
   * Runs the tiles of an image that is alone in its prompt through every stage, past the image cache. Tiles and a thumbnail
   * (NVILA-Lite) give one row of each tensor per tile; tiles at several scales (NVILA) give the pixels of all tiles, the features
   * of the blocks that enter the projector, and one row of image tokens.
   *
   * @param image the image
   * @return the numbers of each stage
   * @throws UnsupportedException when the model looks at every image as one square ({@link ModelInfo#tiles()})
   */
  public EncodedImage encodeTiles(VilaImage image) {
    return handle.use(
        model -> {
          try (var pixels = image.toNative();
              var encoded = model.encode_tiles(pixels)) {
            return EncodedImage.of(encoded);
          } finally {
            Reference.reachabilityFence(image); // it may keep memory of a device
          }
        });
  }

  /**
   * Runs pixel values through every stage after preprocessing.
   *
   * @param pixelValues {@code [1,3,H,W]} of the vision tower's own size, row-major
   * @return the numbers of each stage
   */
  public EncodedImage encodePixels(float[] pixelValues) {
    return handle.use(
        model -> {
          try (var encoded = model.encode_pixels(pixelValues)) {
            return EncodedImage.of(encoded);
          }
        });
  }

  /**
   * The state of the cache of image tokens.
   *
   * @return what it holds, its hits and its misses
   */
  public ImageCacheStats imageCacheStats() {
    return handle.use(
        model ->
            new ImageCacheStats(
                model.image_cache_bytes(), model.image_cache_entries(), model.image_cache_hits(), model.image_cache_misses()));
  }

  /**
   * The state of the cache of keys and values that sessions share.
   *
   * @return what it holds, and what was copied
   */
  public PrefixCacheStats prefixCacheStats() {
    return handle.use(
        model ->
            new PrefixCacheStats(
                model.prefix_cache_bytes(),
                model.prefix_cache_entries(),
                model.prefix_cache_hits(),
                model.prefix_cache_positions()));
  }

  /**
   * Frees the model. Closing it twice does nothing.
   *
   * @throws IllegalStateException while sessions are open or a call is inside
   */
  @Override
  public void close() {
    synchronized (this) {
      if (openSessions > 0) {
        throw new IllegalStateException(
            "VilaModel has " + openSessions + (openSessions == 1 ? " open session" : " open sessions") + "; close them first");
      }
      handle.close();
    }
  }
}
