// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Ctrl-C, in a JVM of its own. */
@Timeout(60)
class InterruptionTest {
  private static final int INTERRUPTED = 130;

  private static void interrupt(Process process) throws Exception {
    new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
    assertTrue(process.waitFor(8, TimeUnit.SECONDS), "still running");
    assertEquals(INTERRUPTED, process.exitValue());
    assertEquals("", new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8));
  }

  @Test
  void answerIsCancelledAndItsLineEnded() throws Exception {
    Process process = Run.start("ask", "--model", Run.CLIP, "--max-tokens", "100000", "--image", Run.image("photo.png"), "Hello");
    assertTrue(process.getInputStream().read() >= 0, "no answer");
    interrupt(process);
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(output.endsWith("\n"), output);
  }

  @Test
  void waitingChatEndsAtOnce() throws Exception {
    Process process = Run.start("chat", "--model", Run.CLIP, "--max-tokens", "3", "--json");
    process.getOutputStream().write("Hello\n".getBytes(StandardCharsets.UTF_8));
    process.getOutputStream().flush();
    BufferedReader reader = process.inputReader(StandardCharsets.UTF_8);
    assertTrue(reader.readLine().contains("\"finish_reason\""));
    interrupt(process);
  }
}
