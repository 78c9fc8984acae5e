// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.ProgressListener;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** A progress bar on stderr when a person watches, else nothing. */
final class Progress implements ProgressListener, AutoCloseable {
  private static final int STEPS = 1000;

  private final String task;
  private ProgressBar bar;

  Progress(String task) {
    this.task = task;
  }

  @Override
  public boolean onProgress(String stage, double fraction) {
    if (Terminal.isInteractive()) {
      if (bar == null) {
        bar =
            new ProgressBarBuilder()
                .setTaskName(task)
                .setInitialMax(STEPS)
                .setStyle(ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(100)
                .hideEta()
                .clearDisplayOnFinish()
                .build();
      }
      bar.setExtraMessage(stage);
      bar.stepTo(Math.round(fraction * STEPS));
    }
    return true;
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
    }
  }
}
