// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** How the CPU is used. */
final class CpuOptions {
  @Option(names = "--threads", defaultValue = "2", description = "Batches at once (${DEFAULT-VALUE}).")
  private int threads;

  @Option(
      names = "--precision",
      defaultValue = "auto",
      description =
          "Of matrix products in stages of images alone: fp32, bf16, or auto: bf16 where the CPU has instructions for it"
              + " (${DEFAULT-VALUE}).")
  private String precision;

  int threads() {
    return threads;
  }

  boolean bfloat16() throws IOException {
    return switch (precision) {
      case "fp32" -> false;
      case "bf16" -> true;
      case "auto" -> Files.readString(Path.of("/proc/cpuinfo")).contains("avx512_bf16");
      default -> throw new IllegalArgumentException("--precision " + precision + ", expected auto, fp32 or bf16");
    };
  }
}
