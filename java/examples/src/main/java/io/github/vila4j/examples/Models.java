// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.examples;

import io.github.vila4j.Vila;
import io.github.vila4j.VilaModel;
import io.github.vila4j.demo.DemoModel;
import java.nio.file.Path;

/** The model of the examples. */
final class Models {
  private Models() {}

  /** The checkpoint that the system property {@code model} names, else the demo model, which knows drawn shapes only. */
  static VilaModel load() {
    String folder = System.getProperty("model");
    return folder == null ? DemoModel.load() : Vila.load(Path.of(folder));
  }
}
