// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Trains, or goes on training. */
@Command(
    name = "train",
    mixinStandardHelpOptions = true,
    description = "Trains the demo model, going on from the run's last state where there is one. Stop it at any time.")
final class TrainCommand implements Callable<Integer> {
  /** How long a run that is asked to end may take to save its state. */
  private static final long GRACE_SECONDS = 60;

  @Option(names = "--run", required = true, paramLabel = "DIR", description = "The run's folder, made when missing.")
  private Path run;

  @Option(names = "--seed", defaultValue = "1", description = "Of a new run (${DEFAULT-VALUE}).")
  private long seed;

  @Option(names = "--scale", defaultValue = "1", description = "Stretches every stage of a new run (${DEFAULT-VALUE}).")
  private double scale;

  @Option(names = "--minutes", defaultValue = "100000", description = "Stop after this long, saved.")
  private double minutes;

  @Mixin private CpuOptions cpu;

  @Override
  public Integer call() throws Exception {
    RunFolder folder = new RunFolder(run);
    Trainer trainer = new Trainer(folder, folder.recipe(Recipe.demo(seed, scale)), cpu.bfloat16(), cpu.threads());
    CountDownLatch ended = new CountDownLatch(1);
    Thread hook =
        new Thread(
            () -> {
              trainer.stop();
              try {
                ended.await(GRACE_SECONDS, TimeUnit.SECONDS);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    Runtime.getRuntime().addShutdownHook(hook);
    try {
      boolean done = trainer.run(minutes * 60);
      System.err.println(done ? "all stages are done" : "stopped; the same command goes on");
    } finally {
      ended.countDown();
    }
    return 0;
  }
}
