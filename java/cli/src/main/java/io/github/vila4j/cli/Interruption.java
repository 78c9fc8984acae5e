// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Ctrl-C: asks the work to stop and gives it time to end in order. While the JVM shuts down it only cancels; memory and files are
 * left to the thread that works.
 */
final class Interruption implements AutoCloseable {
  private static final long GRACE_SECONDS = 10;

  private final CountDownLatch ended = new CountDownLatch(1);
  private final Thread hook = new Thread(this::interrupt, "vila4j-interruption");
  private volatile boolean requested;
  private volatile boolean idle;
  private volatile Runnable cancel = () -> {};

  Interruption() {
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /** Whether the process was asked to end. */
  boolean isRequested() {
    return requested;
  }

  /** What stops the work from now on. */
  void cancelWith(Runnable action) {
    cancel = action;
  }

  /** Whether the thread that works waits for input: then there is nothing to wait for. */
  void setIdle(boolean waiting) {
    idle = waiting;
  }

  private void interrupt() {
    requested = true;
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(GRACE_SECONDS);
    try {
      do {
        cancel.run();
      } while (!idle && !ended.await(20, TimeUnit.MILLISECONDS) && System.nanoTime() < deadline);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The work has ended. */
  @Override
  public void close() {
    ended.countDown();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The JVM is shutting down: the hook is running and ends by itself.
    }
  }
}
