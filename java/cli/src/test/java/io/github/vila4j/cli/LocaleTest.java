// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Letters beyond ASCII on the command line. */
@Timeout(60)
class LocaleTest {
  /** The shell makes the bytes of the last argument: what this JVM would pass depends on its own locale. */
  private static Run run(String locale, String lastAsPrintf, String... args) throws Exception {
    ProcessBuilder builder = Run.forked(args);
    builder.command().addAll(0, List.of("sh", "-c", "exec \"$@\" \"$(printf '" + lastAsPrintf + "')\"", "sh"));
    builder.environment().put("LC_ALL", locale);
    Process process = builder.start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Run(process.waitFor(), out, err);
  }

  @Test
  void lettersArriveWithUtf8() throws Exception {
    Run run = run("C.UTF-8", "\\303\\244\\360\\237\\230\\200", "tokenize", "--model", Run.SIGLIP, "--json", "--text");
    assertEquals("", run.err());
    assertEquals(Run.ok("tokenize", "--model", Run.SIGLIP, "--text", "\u00e4\ud83d\ude00", "--json"), run.out());
  }

  @Test
  void lossIsSaidWithoutUtf8() throws Exception {
    Run run = run("C", "\\303\\244", "tokenize", "--model", Run.SIGLIP, "--text");
    assertEquals(
        "vila4j: the locale's encoding is ANSI_X3.4-1968, which loses letters of the arguments; set LC_ALL=C.UTF-8\n", run.err());
    assertEquals(2, run.code());
    assertEquals(0, run("C", "plain", "tokenize", "--model", Run.SIGLIP, "--text").code());
  }
}
