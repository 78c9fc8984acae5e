// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.InvalidArgumentException;
import io.github.vila4j.Vila;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;

/** The command {@code vila4j}. */
@Command(
    name = "vila4j",
    description = "VILA vision-language models on this machine.",
    versionProvider = Main.Version.class,
    subcommands = {
      Ask.class, Chat.class, Tokenize.class, Resize.class, Inspect.class, Plan.class, Doctor.class, Bench.class, Eval.class
    },
    footer = {"", "Exit codes: 0 ok, 1 failed, 2 bad usage.", "'vila4j COMMAND --help' tells about a command."})
public final class Main implements Runnable {
  static final int OK = 0;
  static final int FAILED = 1;
  static final int BAD_USAGE = 2;

  @Spec private CommandSpec spec;

  @Option(names = "--verbose", scope = CommandLine.ScopeType.INHERIT, description = "Show log lines and stack traces.")
  private boolean verbose;

  @Option(names = {"-h", "--help"}, usageHelp = true, scope = CommandLine.ScopeType.INHERIT, description = "Show this help.")
  private boolean help;

  @Option(names = "--version", versionHelp = true, description = "Show the version.")
  private boolean version;

  private final BufferedReader in;

  private Main(InputStream in) {
    this.in = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
  }

  /**
   * Runs the command line and ends the JVM.
   *
   * @param args the arguments
   */
  public static void main(String[] args) {
    OutputStream out = new FileOutputStream(FileDescriptor.out);
    OutputStream err = new FileOutputStream(FileDescriptor.err);
    String encoding = System.getProperty("sun.jnu.encoding", "UTF-8");
    if (!encoding.equals("UTF-8") && String.join("", args).contains("\uFFFD")) {
      System.err.println("vila4j: the locale's encoding is " + encoding + ", which loses letters of the arguments; set LC_ALL=C.UTF-8");
      System.exit(BAD_USAGE);
    }
    System.exit(run(System.in, out, err, args));
  }

  /**
   * Runs the command line.
   *
   * @param in what is typed
   * @param out for results, as UTF-8
   * @param err for messages, as UTF-8
   * @param args the arguments
   * @return the exit code
   */
  static int run(InputStream in, OutputStream out, OutputStream err, String... args) {
    CommandLine line = new CommandLine(new Main(in));
    line.setOut(new PrintWriter(new OutputStreamWriter(out, StandardCharsets.UTF_8), false));
    line.setErr(new PrintWriter(new OutputStreamWriter(err, StandardCharsets.UTF_8), true));
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setExecutionStrategy(Main::execute);
    line.setParameterExceptionHandler(Main::explainUsage);
    line.setExecutionExceptionHandler(Main::explainFailure);
    try {
      return line.execute(args);
    } catch (OutOfMemoryError e) {
      String message = oneLine(String.valueOf(e.getMessage()));
      line.getErr().println("vila4j: out of Java memory (" + message + "); allow more with JAVA_TOOL_OPTIONS=-Xmx...");
      return FAILED;
    } finally {
      line.getOut().flush();
      line.getErr().flush();
    }
  }

  private static int execute(ParseResult result) {
    Main main = result.commandSpec().commandLine().getCommand();
    if (main.verbose) {
      System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "info");
    }
    return new CommandLine.RunLast().execute(result);
  }

  private static int explainUsage(ParameterException e, String[] args) {
    CommandLine line = e.getCommandLine();
    line.getErr().println("vila4j: " + oneLine(e.getMessage()).replaceFirst("^Error: ", ""));
    line.getErr().println("'" + line.getCommandSpec().qualifiedName() + " --help' tells how to use it");
    return BAD_USAGE;
  }

  private static int explainFailure(Exception e, CommandLine line, ParseResult result) {
    line.getOut().flush();
    String message = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    line.getErr().println("vila4j: " + oneLine(message));
    Main main = line.getCommandSpec().root().commandLine().getCommand();
    if (main.verbose) {
      e.printStackTrace(line.getErr());
    }
    return e instanceof InvalidArgumentException || e instanceof UsageException ? BAD_USAGE : FAILED;
  }

  private static String oneLine(String message) {
    return message.strip().replaceAll("\\s*\\R\\s*", "; ");
  }

  /** What is typed. */
  BufferedReader in() {
    return in;
  }

  /** Without a command. */
  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "no command given; one of " + String.join(", ", spec.subcommands().keySet()));
  }

  /** What {@code --version} says. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"vila4j " + Vila.version()};
    }
  }
}
