// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@link Vila#inspect}: every field arrives. */
class CheckpointReportTest {
  @TempDir Path temp;

  @Test
  void aCheckpointThatRuns() {
    Path folder = TestData.ROOT.resolve("cases/vila15-llama3-siglip/model");
    CheckpointReport report = Vila.inspect(folder);
    assertEquals(List.of(), report.problems());
    assertTrue(report.isRunnable());
    ModelInfo described = Vila.describe(folder);
    assertEquals("fp32", report.info().precision());
    assertTrue(report.precisionReason().startsWith("fp32 takes "), report.precisionReason());
    assertEquals(described.languageModel(), report.info().languageModel());
    assertEquals(described.eosIds(), report.info().eosIds());
    assertEquals(described.kvBytesPerToken(), report.info().kvBytesPerToken());
    PartSize[] parts = {report.language(), report.vision(), report.projector()};
    long parameters = 0;
    long bytes = 0;
    for (PartSize part : parts) {
      assertTrue(part.parameters() > 0);
      parameters += part.parameters();
      bytes += part.bytes();
    }
    assertEquals(described.parameters(), parameters);
    // 3 layers of 64 channels with 4 heads, 2 key/value heads and 176 channels within.
    assertEquals(3 * (64 * (64 + 32 + 32 + 64) + 3 * 64 * 176), described.blockParameters());
    assertEquals(described.weightBytes(), bytes);
    assertTrue(report.fileBytes() >= bytes);
    assertEquals("byte-level BPE, tokenizer.json", report.tokenizer());
    assertTrue(report.tokenizerSize() > 256);
    assertEquals("Llama-3 chat tokens, and nothing says that <|eot_id|> ends a turn", report.templateReason());
    assertTrue(report.templates().containsAll(List.of("vicuna_v1", "llama_3", "llama_3_fix", "hermes-2", "qwen2")));
    assertEquals(described.tokensPerImage(), report.minSingleImageTokens());
    assertEquals(described.tokensPerImage(), report.maxSingleImageTokens());
    assertTrue(report.videoFrames() > 0);
    assertEquals(report.videoFrames() * described.tokensPerImage(), report.videoTokens());
    assertTrue(report.planBytes() > 0);
    assertTrue(report.weightMemoryBytes() > 0);
  }

  @Test
  void aFolderThatIsNoCheckpoint() {
    CheckpointReport report = Vila.inspect(temp);
    assertFalse(report.isRunnable());
    assertEquals(List.of(temp + "/config.json: No such file or directory"), report.problems());
    assertEquals(temp.toString(), report.info().path());
    assertEquals(new PartSize(0, 0), report.language());
    assertEquals(0, report.planBytes());
  }
}
