// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.gpu;

import io.github.vila4j.LoadOptions;
import io.github.vila4j.Vila;
import io.github.vila4j.VilaException;
import java.nio.file.Path;

/** What a JVM of its own says of the backend tensorrt; started by {@link GpuLibrariesTest}. */
final class GpuProbe {
  private GpuProbe() {}

  /** Prints the lines of doctor, {@code name: ok detail}, or what loading the checkpoint that is named says. */
  public static void main(String[] args) {
    if (args.length == 0) {
      Vila.doctor().forEach(check -> System.out.println(check.name() + ": " + (check.ok() ? "ok " : "no ") + check.detail()));
      return;
    }
    try {
      Vila.load(Path.of(args[0]), LoadOptions.builder().backend("tensorrt").build(), null).close();
      System.out.println("loaded: on a GPU");
    } catch (VilaException e) {
      System.out.println("failure: " + e.code() + " " + e.getMessage());
    }
  }
}
