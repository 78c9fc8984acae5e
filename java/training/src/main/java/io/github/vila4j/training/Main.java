// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The command line of training. */
@Command(
    name = "training",
    description = "Trains a tiny VILA on the world of shapes.",
    mixinStandardHelpOptions = true,
    subcommands = {TrainCommand.class, ExportCommand.class, EvalCommand.class, AblateCommand.class})
public final class Main {
  private Main() {}

  /**
   * Runs a command and ends the JVM.
   *
   * @param args the arguments
   */
  public static void main(String[] args) {
    System.exit(new CommandLine(new Main()).execute(args));
  }
}
