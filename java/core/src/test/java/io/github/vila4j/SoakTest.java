// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Loads, generates, cancels and closes many times in one process: memory comes back, no native object stays. */
class SoakTest {
  private static final int ROUNDS = 300;
  private static final int SETTLED = 50;
  private static final double GROWTH = 1.05;

  @Test
  @Timeout(600)
  void memoryComesBack() throws Exception {
    long settled = 0;
    for (int round = 1; round <= ROUNDS; round++) {
      round(round);
      assertEquals(0, Vila.liveObjectCount(), () -> Vila.liveObjects().toString());
      if (round == SETTLED) {
        System.gc();
        settled = residentBytes();
      }
    }
    System.gc();
    long end = residentBytes();
    long begin = settled;
    assertTrue(end < begin * GROWTH, () -> "resident memory grew from " + begin + " to " + end + " bytes");
    assertTrue(Vila.liveObjects().stream().allMatch(line -> line.endsWith(" 0")), () -> Vila.liveObjects().toString());
  }

  private static void round(int round) throws InterruptedException {
    GenerationOptions options = GenerationOptions.builder().maxNewTokens(16).ignoreEos(true).build();
    try (VilaModel model = TestData.load(TestData.CASES.get(round % 2));
        VilaSession session = model.newSession()) {
      Prompt prompt = Prompt.of("<image>\nWhat is in the image?", TestData.image("photo.png"));
      assertEquals(16, session.generate(prompt, options).ids().length);
      try (TokenStream stream = session.stream(prompt.toBuilder().assistant("A cat.").user("Really?").build(), options)) {
        stream.next();
        Thread other = new Thread(session::cancel);
        other.start();
        other.join();
      }
    }
  }

  private static long residentBytes() throws IOException {
    try (var lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024)
          .findFirst()
          .orElseThrow();
    }
  }
}
