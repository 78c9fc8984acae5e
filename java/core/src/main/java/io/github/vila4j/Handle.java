// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.lang.ref.Cleaner;
import java.util.function.Consumer;
import java.util.function.Function;
import org.bytedeco.javacpp.Pointer;
import org.slf4j.LoggerFactory;

/**
 * A native object with a count of the calls that are inside it. It is freed by {@link #close()}, which needs the count to be zero:
 * no call ever sees freed memory. An owner that is garbage-collected unclosed is logged as a leak.
 */
final class Handle<P extends Pointer> {
  private static final Cleaner CLEANER = Cleaner.create();

  /** What outlives the owner; must not refer to it. */
  private static final class State implements Runnable {
    final String type;
    final Runnable ended;
    boolean closed;

    State(String type, Runnable ended) {
      this.type = type;
      this.ended = ended;
    }

    /** The owner is gone. */
    @Override
    public void run() {
      synchronized (this) {
        if (closed) {
          return;
        }
        closed = true;
      }
      LoggerFactory.getLogger(Vila.class).warn("a {} was garbage-collected without close(): it kept native memory until now", type);
      ended.run();
    }
  }

  private final State state;
  private final P pointer;
  private int uses;

  /**
   * {@code owner} is the public object, for leak warnings; its class names the type in messages. {@code ended} runs once, when the
   * object is closed or lost; it must not refer to the owner.
   */
  Handle(Object owner, P pointer, Runnable ended) {
    this.pointer = pointer;
    state = new State(owner.getClass().getSimpleName(), ended);
    CLEANER.register(owner, state);
  }

  /** Runs a native call with the use count raised; its failure leaves as a {@link VilaException}. */
  <T> T use(Function<P, T> call) {
    P held = acquire();
    try {
      return NativeErrors.translating(() -> call.apply(held));
    } finally {
      release();
    }
  }

  /**
   * Makes a short call that may run beside others and must not hinder {@link #close()}; does nothing on a closed handle. The object
   * is not freed while it runs.
   */
  void ifOpen(Consumer<P> call) {
    synchronized (state) {
      if (!state.closed) {
        call.accept(pointer);
      }
    }
  }

  /** Raises the use count; {@link #release()} lowers it. Throws {@link IllegalStateException} on a closed handle. */
  P acquire() {
    synchronized (state) {
      if (state.closed) {
        throw new IllegalStateException(state.type + " is closed");
      }
      uses++;
      return pointer;
    }
  }

  void release() {
    synchronized (state) {
      uses--;
    }
  }

  /** Frees the object. Returns false when it was closed already; throws {@link IllegalStateException} while a call is inside. */
  boolean close() {
    synchronized (state) {
      if (state.closed) {
        return false;
      }
      if (uses > 0) {
        String calls = uses == 1 ? "1 call" : uses + " calls";
        throw new IllegalStateException(state.type + " is in use by " + calls + "; it cannot be closed now");
      }
      state.closed = true;
    }
    pointer.close();
    state.ended.run();
    return true;
  }
}
