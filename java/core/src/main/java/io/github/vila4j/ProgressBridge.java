// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import org.bytedeco.javacpp.BytePointer;

/** Hands native progress to a {@link ProgressListener}. */
final class ProgressBridge extends io.github.vila4j.internal.ProgressListener {
  private final ProgressListener listener;
  private final Callback callback;

  ProgressBridge(ProgressListener listener, Callback callback) {
    this.listener = listener;
    this.callback = callback;
  }

  @Override
  public boolean on_progress(BytePointer stage, double fraction) {
    return callback.run(() -> listener.onProgress(Text.peek(stage), fraction));
  }
}
