// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.Session;
import java.lang.ref.Reference;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.function.Function;

/**
 * One conversation's state: its cache of positions and its sampler. It serves one call at a time: a second one throws {@link
 * SessionBusyException}. Only {@link #cancel()} may be called while another thread is inside; {@link #close()} then throws {@link
 * IllegalStateException}. Several sessions of one model may run in several threads at once.
 *
 * <p>A prompt that begins as the session's last one did (the same turns and images, then more) reuses the positions that are
 * already computed.
 */
public final class VilaSession implements AutoCloseable {
  private final Handle<Session> handle;
  private final VideoSampling videoSampling;
  private final AtomicBoolean busy = new AtomicBoolean();
  /** Set by {@link #cancel()} for the call under way: it may still be on its way into the native session. */
  private volatile boolean cancelRequested;

  /** {@code ended} runs once, when the session is closed or lost. */
  VilaSession(Session session, VideoSampling videoSampling, Runnable ended) {
    this.videoSampling = videoSampling;
    handle = new Handle<>(this, session, ended);
  }

  /**
   * Answers a prompt.
   *
   * @param prompt the prompt
   * @param options how to generate
   * @return the answer; after {@link #cancel()} what there was of it, with {@link FinishReason#CANCELLED}
   * @throws InvalidArgumentException when prompt or options make no sense
   * @throws CapacityException when the prompt does not fit the context
   */
  public Completion generate(Prompt prompt, GenerationOptions options) {
    return generate(prompt, options, null);
  }

  /**
   * Answers a prompt, telling a listener of each token.
   *
   * @param prompt the prompt
   * @param options how to generate
   * @param listener told of each token in this thread, or null. What it throws ends the generation and is thrown here, unchanged.
   * @return the answer; when cancelled what there was of it, with {@link FinishReason#CANCELLED}
   * @throws InvalidArgumentException when prompt or options make no sense
   * @throws CapacityException when the prompt does not fit the context
   */
  public Completion generate(Prompt prompt, GenerationOptions options, TokenListener listener) {
    Objects.requireNonNull(prompt, "prompt");
    Objects.requireNonNull(options, "options");
    return alone(session -> generate(session, prompt, options, listener, () -> true));
  }

  private Completion generate(
      Session session, Prompt prompt, GenerationOptions options, TokenListener listener, BooleanSupplier wanted) {
    Callback callback = new Callback();
    try (var request = prompt.toNative(videoSampling);
        var how = options.toNative();
        TokenBridge bridge =
            new TokenBridge(
                token -> (listener == null || listener.onToken(token)) && !cancelRequested,
                () -> wanted.getAsBoolean() && !cancelRequested,
                callback);
        var completion = NativeErrors.translating(() -> session.generate(request, how, bridge))) {
      callback.rethrow();
      return new Completion(completion);
    } finally {
      Reference.reachabilityFence(prompt); // its images may keep memory of a device
    }
  }

  /**
   * Answers a prompt in a thread of its own.
   *
   * @param prompt the prompt
   * @param options how to generate
   * @return the tokens as they come, to be closed; this session is busy until the stream has ended
   */
  public TokenStream stream(Prompt prompt, GenerationOptions options) {
    Objects.requireNonNull(prompt, "prompt");
    Objects.requireNonNull(options, "options");
    Session session = enter();
    try {
      return TokenStream.start(
          (listener, wanted) -> generate(session, prompt, options, listener, wanted), session::cancel, this::leave);
    } catch (Throwable e) {
      leave();
      throw e;
    }
  }

  /**
   * Computes a prompt afresh, for those who choose tokens themselves; {@link #logits()} is then of its last position.
   *
   * @param prompt the prompt
   * @throws CapacityException when the prompt does not fit the context
   */
  public void prefill(Prompt prompt) {
    alone(
        session -> {
          try (var request = prompt.toNative(videoSampling)) {
            session.prefill(request);
            return null;
          } finally {
            Reference.reachabilityFence(prompt); // its images may keep memory of a device
          }
        });
  }

  /**
   * Appends one token; {@link #logits()} is then of its position.
   *
   * @param id the token's id
   * @throws CapacityException at the end of the context
   */
  public void decode(int id) {
    alone(
        session -> {
          session.decode(id);
          return null;
        });
  }

  /**
   * The logits of the last position computed.
   *
   * @return one per id of the vocabulary
   * @throws InvalidArgumentException before the first {@link #prefill}
   */
  public float[] logits() {
    return alone(session -> NativeArrays.take(session.logits()));
  }

  /** Stops the call that is running in this session, at its next step. Without one, or when closed, it does nothing. Any thread. */
  public void cancel() {
    cancelRequested = true;
    handle.ifOpen(Session::cancel);
  }

  /**
   * Positions in the cache.
   *
   * @return 0 or more
   */
  public int position() {
    return alone(Session::_position);
  }

  /** Forgets everything; memory is kept. */
  public void reset() {
    alone(
        session -> {
          session.reset();
          return null;
        });
  }

  /** Runs a call that must be the only one inside. */
  private <T> T alone(Function<Session, T> call) {
    Session session = enter();
    try {
      return NativeErrors.translating(() -> call.apply(session));
    } finally {
      leave();
    }
  }

  private Session enter() {
    Session session = handle.acquire();
    if (!busy.compareAndSet(false, true)) {
      handle.release();
      throw new SessionBusyException("VilaSession is inside another call; a session serves one call at a time");
    }
    cancelRequested = false;
    return session;
  }

  private void leave() {
    busy.set(false);
    handle.release();
  }

  /**
   * Frees the session. Closing it twice does nothing.
   *
   * @throws IllegalStateException while a call is inside: {@link #cancel()} it and wait first
   */
  @Override
  public void close() {
    handle.close();
  }
}
