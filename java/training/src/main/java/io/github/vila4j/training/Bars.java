// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Progress on stderr, with the time left: often on a terminal, else once a minute. */
final class Bars {
  private Bars() {}

  static ProgressBarBuilder of(String name, long steps) {
    return new ProgressBarBuilder()
        .setTaskName(name)
        .setInitialMax(steps)
        .setStyle(ProgressBarStyle.ASCII)
        .setUpdateIntervalMillis(System.console() == null ? 60_000 : 500)
        .continuousUpdate();
  }
}
