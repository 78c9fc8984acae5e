// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures VILA's findings at a small scale. */
@Command(
    name = "ablate",
    mixinStandardHelpOptions = true,
    description = "Trains four variants with several seeds each and prints their accuracies. Stop it at any time; it goes on.")
final class AblateCommand implements Callable<Integer> {
  @Option(names = "--runs", required = true, paramLabel = "DIR", description = "The folder of the runs.")
  private Path runs;

  @Option(names = "--seeds", defaultValue = "3", description = "Runs of each variant (${DEFAULT-VALUE}).")
  private int seeds;

  @Option(names = "--scale", defaultValue = "1", description = "Stretches every stage (${DEFAULT-VALUE}).")
  private double scale;

  @Option(names = "--items", defaultValue = "300", description = "Per task (${DEFAULT-VALUE}).")
  private int items;

  @Mixin private CpuOptions cpu;

  @Override
  public Integer call() throws Exception {
    System.out.print(new Ablations(runs, scale, items, cpu.bfloat16(), cpu.threads()).run(seeds));
    return 0;
  }
}
