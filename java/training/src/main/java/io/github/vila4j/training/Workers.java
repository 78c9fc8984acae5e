// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import java.util.function.IntToDoubleFunction;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.bytedeco.pytorch.global.torch;

/**
 * Threads that work on a batch each, every operation of which runs in one thread. Threads that share each small operation instead
 * spend most of their time waiting for each other: on two cores that was four to eight times slower.
 */
final class Workers implements AutoCloseable {
  private final ExecutorService threads;

  Workers(int count) {
    threads = DaemonThreads.pool(count, "worker");
    torch.set_num_threads(1);
    openblas_nolapack.blas_set_num_threads(1);
  }

  /** The results of numbers 0 to {@code count} - 1, in order; returns or throws when all have ended. */
  <T> List<T> all(int count, IntFunction<T> work) {
    List<Future<T>> futures = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int number = i;
      futures.add(threads.submit(() -> work.apply(number)));
    }
    List<T> results = new ArrayList<>();
    Throwable failure = null;
    boolean interrupted = false;
    for (Future<T> future : futures) {
      for (boolean done = false; !done; ) {
        try {
          results.add(future.get());
          done = true;
        } catch (ExecutionException e) {
          failure = failure == null ? e.getCause() : failure;
          done = true;
        } catch (InterruptedException e) {
          interrupted = true; // The workers still use tensors that the caller is about to close.
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    if (failure != null || interrupted) {
      throw new IllegalStateException(failure == null ? "interrupted" : "worker: " + failure, failure);
    }
    return results;
  }

  /** The sum of the results of numbers 0 to {@code count} - 1, added in order. */
  double sum(int count, IntToDoubleFunction work) {
    double sum = 0;
    for (double result : all(count, work::applyAsDouble)) {
      sum += result;
    }
    return sum;
  }

  /** Does the work of numbers 0 to {@code count} - 1. */
  void each(int count, IntConsumer work) {
    all(
        count,
        number -> {
          work.accept(number);
          return null;
        });
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
