// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;

/**
 * An answer as it grows, computed in a thread of its own. To be read once, by one thread, and closed; {@link #cancel()} may be
 * called from any thread.
 *
 * <p>Generation pauses while 256 tokens wait to be read, and the other requests that are computed meanwhile go on. A reader that is
 * slow keeps its place among {@link LoadOptions.Builder#maxRequests maxRequests}: requests that wait for a place wait on.
 * {@link #completion()} lifts the bound, since it waits for the end.
 *
 * <pre>{@code
 * try (TokenStream stream = session.stream(prompt, options)) {
 *   for (Token token : stream) {
 *     System.out.print(token.text());
 *   }
 *   System.out.println(stream.completion().finishReason());
 * }
 * }</pre>
 */
public final class TokenStream implements Iterable<Token>, Iterator<Token>, AutoCloseable {
  private static final AtomicInteger COUNT = new AtomicInteger();
  private static final Token END = new Token(-1, "");
  /** Most tokens that wait to be read. */
  static final int BOUND = 256;

  private final CompletableFuture<Completion> completion = new CompletableFuture<>();
  private final Runnable cancelCall;
  private final Thread thread;
  private volatile boolean cancelled;
  private final Object lock = new Object();
  /** Guarded by {@code lock}: the session may serve another call, or be closed. */
  private boolean finished;
  /** Guarded by {@code lock}: the end is waited for, so that tokens are kept without a bound. */
  private boolean unbounded;
  /** Guarded by {@code lock}: the tokens that were not read yet. */
  private final Queue<Token> queue = new ArrayDeque<>();
  /** The reader's alone. */
  private Token next;

  /** A stream whose thread {@link #begin()} starts. */
  TokenStream(BiFunction<TokenListener, BooleanSupplier, Completion> call, Runnable cancelCall, Runnable ended) {
    this.cancelCall = cancelCall;
    thread = new Thread(() -> run(call, ended), "vila4j-stream-" + COUNT.incrementAndGet());
    thread.setDaemon(true);
  }

  /** Starts {@code call} in a thread; {@code ended} runs there when the call has returned. */
  static TokenStream start(BiFunction<TokenListener, BooleanSupplier, Completion> call, Runnable cancelCall, Runnable ended) {
    TokenStream stream = new TokenStream(call, cancelCall, ended);
    stream.begin();
    return stream;
  }

  void begin() {
    thread.start();
  }

  private void run(BiFunction<TokenListener, BooleanSupplier, Completion> call, Runnable ended) {
    Completion result = null;
    Throwable failure = null;
    try {
      result = cancelled ? Completion.cancelled() : call.apply(this::offer, () -> !cancelled);
    } catch (Throwable e) {
      failure = e;
    } finally {
      synchronized (lock) {
        finished = true;
      }
      ended.run();
    }
    if (failure == null) {
      completion.complete(result);
    } else {
      completion.completeExceptionally(failure);
    }
    add(END);
  }

  private void add(Token token) {
    synchronized (lock) {
      queue.add(token);
      lock.notifyAll();
    }
  }

  /** Keeps a token for the reader, when there is room; whether to go on. */
  private boolean offer(Token token) {
    synchronized (lock) {
      while (queue.size() >= BOUND && !unbounded && !cancelled) {
        try {
          lock.wait();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          cancelled = true; // Nobody interrupts this thread but to end it.
        }
      }
    }
    add(token);
    return !cancelled;
  }

  private Token take() throws InterruptedException {
    synchronized (lock) {
      while (queue.isEmpty()) {
        lock.wait();
      }
      lock.notifyAll();
      return queue.remove();
    }
  }

  /**
   * This stream itself: it can be read once.
   *
   * @return this
   */
  @Override
  public Iterator<Token> iterator() {
    return this;
  }

  /**
   * Waits for the next token or the end.
   *
   * @return false at the end
   * @throws VilaException when generation failed
   */
  @Override
  public boolean hasNext() {
    if (next == null) {
      try {
        next = take();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        cancel();
        throw new CancelledException("the thread that reads the stream was interrupted");
      }
    }
    if (next == END) {
      completion();
      return false;
    }
    return true;
  }

  /**
   * Waits for the next token.
   *
   * @return the token
   * @throws NoSuchElementException at the end
   * @throws VilaException when generation failed
   */
  @Override
  public Token next() {
    if (!hasNext()) {
      throw new NoSuchElementException("the stream has ended");
    }
    Token token = next;
    next = null;
    return token;
  }

  /**
   * Waits for the whole answer.
   *
   * @return the answer; when cancelled what there was of it
   * @throws VilaException when generation failed
   */
  public Completion completion() {
    synchronized (lock) {
      unbounded = true;
      lock.notifyAll();
    }
    try {
      return completion.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      if (e.getCause() instanceof Error cause) {
        throw cause;
      }
      throw e;
    }
  }

  /**
   * Whether the generation has ended, so that {@link #completion()} does not wait.
   *
   * @return false while it is running
   */
  public boolean isDone() {
    return completion.isDone();
  }

  /** Asks the generation to stop at its next step. Tokens that were generated before can still be read. Does not wait. */
  public void cancel() {
    cancelled = true;
    synchronized (lock) {
      lock.notifyAll();
      if (!finished) {
        cancelCall.run();
      }
    }
  }

  /** Stops the generation if it is still running, and waits until the session is free again. Closing twice does nothing. */
  @Override
  public void close() {
    boolean interrupted = false;
    while (thread.isAlive()) {
      cancel();
      try {
        thread.join(20);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
