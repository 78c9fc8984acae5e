// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole of {@code ablate}, each stage one update long. */
class AblationsTest {
  @TempDir private Path folder;

  private String run() throws IOException {
    return new Ablations(folder, 1e-9, 1, false, 2).run(1);
  }

  @Test
  void whatIsMissingIsDoneAndTheRestLeftAlone() throws Exception {
    String table = run();
    List<String> rows = table.lines().map(line -> line.split("\\|")[1].strip()).toList();
    assertEquals(List.of("variant", "---", "base", "frozen", "pairs", "no_text"), rows);

    Path done = folder.resolve("seed-1-base/state.safetensors");
    FileTime before = Files.getLastModifiedTime(done);
    Files.delete(folder.resolve("seed-1-pairs/accuracy.json"));
    RunFolder lost = new RunFolder(folder.resolve("seed-1-no_text"));
    float[] weights = lost.load().weights();
    Files.delete(lost.path().resolve("accuracy.json"));
    Files.delete(lost.path().resolve("state.safetensors"));
    assertEquals(table, run());
    assertEquals(before, Files.getLastModifiedTime(done));
    assertArrayEquals(weights, lost.load().weights());
  }
}
