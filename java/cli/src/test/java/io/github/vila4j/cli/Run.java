// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** One run of the command line within this JVM. */
record Run(int code, String out, String err) {
  static final Path DATA = Path.of(System.getProperty("vila.test.data")).normalize();
  static final String CLIP = model("vila10-clip-linear");
  static final String SIGLIP = model("vila15-llama3-siglip");

  static String model(String name) {
    return DATA.resolve("cases").resolve(name).resolve("model").toString();
  }

  static String image(String name) {
    return DATA.resolve("images").resolve(name).toString();
  }

  static Run of(String... args) {
    return typing("", args);
  }

  /** With {@code typed} as standard input. */
  static Run typing(String typed, String... args) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int code = Main.run(new ByteArrayInputStream(typed.getBytes(StandardCharsets.UTF_8)), out, err, args);
    return new Run(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }

  /** The command line in a JVM of its own. */
  static Process start(String... args) throws IOException {
    return forked(args).start();
  }

  /** The same, to be started. */
  static ProcessBuilder forked(String... args) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-XX:TieredStopAtLevel=1");
    command.add("-Dio.github.vila4j.cache.dir=" + System.getProperty("io.github.vila4j.cache.dir"));
    command.addAll(List.of("-cp", System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"))));
    command.add(Main.class.getName());
    command.addAll(Arrays.asList(args));
    return new ProcessBuilder(command);
  }

  /** Demands success; returns what was printed. */
  static String ok(String... args) {
    Run run = of(args);
    assertEquals(Main.OK, run.code, run.err);
    assertEquals("", run.err);
    return run.out;
  }

  /** Demands this exit code, nothing on stdout, and one line that says why. */
  static void fails(int code, String message, String... args) {
    Run run = of(args);
    String hint = code == Main.BAD_USAGE && run.err.contains("--help' tells") ? run.err.substring(run.err.indexOf('\n') + 1) : "";
    assertEquals("vila4j: " + message + "\n" + hint, run.err);
    assertEquals(code, run.code);
    assertEquals("", run.out);
  }
}
