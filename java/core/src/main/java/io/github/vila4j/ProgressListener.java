// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

/** Receives the progress of long work: compiling plans, loading weights. Called in the thread that does the work. */
@FunctionalInterface
public interface ProgressListener {
  /**
   * Reports progress. An exception thrown here ends the work and arrives unchanged at the caller.
   *
   * @param stage a short name of what is being done
   * @param fraction 0 to 1 over the whole work
   * @return false to cancel: the call then throws {@link CancelledException} and leaves nothing half-written
   */
  boolean onProgress(String stage, double fraction);
}
