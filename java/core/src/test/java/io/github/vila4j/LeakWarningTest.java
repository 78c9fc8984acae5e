// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A handle that is lost is logged, and does not keep its model from closing. */
class LeakWarningTest {
  @Test
  @Timeout(60)
  void lostSessionIsLoggedAndFreed() throws Exception {
    PrintStream before = System.err;
    ByteArrayOutputStream log = new ByteArrayOutputStream();
    System.setErr(new PrintStream(log, true));
    try (VilaModel model = TestData.load("vila10-clip-linear")) {
      lose(model);
      while (!log.toString().contains("VilaSession")) {
        System.gc();
        Thread.sleep(20);
      }
    } finally {
      System.setErr(before);
    }
    assertTrue(log.toString().contains("a VilaSession was garbage-collected without close()"), log::toString);
    while (Vila.liveObjectCount() > 0) {
      System.gc();
      Thread.sleep(20);
    }
    assertEquals(0, Vila.liveObjectCount());
  }

  private static void lose(VilaModel model) {
    model.newSession();
  }
}
