// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Writes a checkpoint. */
@Command(name = "export", mixinStandardHelpOptions = true, description = "Writes a run's last state in the layout of VILA1.5.")
final class ExportCommand implements Callable<Integer> {
  @Option(names = "--run", required = true, paramLabel = "DIR", description = "The run's folder.")
  private Path run;

  @Option(names = "--to", required = true, paramLabel = "DIR", description = "The checkpoint's folder.")
  private Path to;

  @Option(names = "--fp32", description = "Weights in float32, not bfloat16.")
  private boolean fp32;

  @Override
  public Integer call() throws Exception {
    try (TrainedModel model = new RunFolder(run).model()) {
      ModelFolder.write(to, model.weights(), model.tokenizer(), !fp32);
    }
    return 0;
  }
}
