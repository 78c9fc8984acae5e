// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Threads that do not keep the process alive. */
final class DaemonThreads {
  private DaemonThreads() {}

  /** So many threads of a name. */
  static ExecutorService pool(int count, String name) {
    if (count < 1) {
      throw new IllegalArgumentException("--threads " + count + ", expected at least 1");
    }
    return Executors.newFixedThreadPool(
        count,
        work -> {
          Thread thread = new Thread(work, name);
          thread.setDaemon(true);
          return thread;
        });
  }
}
