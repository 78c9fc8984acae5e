// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.VilaException;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParseResult;

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
    System.exit(commandLine().execute(args));
  }

  static CommandLine commandLine() {
    return new CommandLine(new Main()).setExecutionExceptionHandler(Main::explain);
  }

  /** A line for what a user can put right; anything else is a mistake of this program and keeps its trace. */
  private static int explain(Exception e, CommandLine command, ParseResult result) throws Exception {
    if (e instanceof NoSuchFileException) {
      command.getErr().println(e.getMessage() + ": no such file");
    } else if (e instanceof IOException || e instanceof IllegalArgumentException || e instanceof VilaException) {
      command.getErr().println(e.getMessage());
    } else {
      throw e;
    }
    return command.getCommandSpec().exitCodeOnExecutionException();
  }
}
