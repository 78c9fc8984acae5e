// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import io.github.vila4j.shapes.text.BytePairs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is written is read back, and what is not as it would be written is refused. */
class ModelFolderTest {
  private static BytePairs tokenizer;
  private static Weights weights;

  @TempDir private Path folder;

  @BeforeAll
  static void begin() {
    tokenizer = TokenizerFiles.learn();
    weights = new Weights(ModelShape.small(tokenizer.size()), 7);
  }

  @AfterAll
  static void end() {
    weights.close();
  }

  @BeforeEach
  void write() throws IOException {
    ModelFolder.write(folder, weights, tokenizer, true);
  }

  private String refused() {
    return assertThrows(IOException.class, () -> ModelFolder.read(folder)).getMessage();
  }

  private void changeConfig(Consumer<JsonObject> change) throws IOException {
    JsonObject config = Json.read(folder.resolve("config.json"), JsonObject.class);
    change.accept(config);
    Json.write(folder.resolve("config.json"), config);
  }

  private void changeTensors(String part, Consumer<Map<String, Safetensors.Values>> change) throws IOException {
    Path file = folder.resolve(part).resolve("model.safetensors");
    Map<String, Safetensors.Values> tensors = Safetensors.read(file);
    change.accept(tensors);
    Safetensors.write(file, tensors, true, Map.of());
  }

  /** Changes the header of a file, none of whose lengths may change. */
  private void changeText(String part, String from, String to) throws IOException {
    Path file = folder.resolve(part).resolve("model.safetensors");
    String text = Files.readString(file, StandardCharsets.ISO_8859_1);
    assertTrue(text.contains(from));
    Files.writeString(file, text.replaceFirst(from, to), StandardCharsets.ISO_8859_1);
  }

  @Test
  void whatIsWrittenIsReadBack() throws Exception {
    for (boolean bfloat16 : new boolean[] {true, false}) {
      ModelFolder.write(folder, weights, tokenizer, bfloat16);
      float[] expected = weights.values();
      try (TrainedModel model = ModelFolder.read(folder)) {
        assertEquals(weights.shape(), model.weights().shape());
        assertEquals(tokenizer.tokens(), model.tokenizer().tokens());
        for (Task task : Task.values()) {
          Sequence sequence = Sequence.chat(tokenizer, Items.of(Split.TEST, task, 0));
          assertEquals(sequence, Sequence.chat(model.tokenizer(), Items.of(Split.TEST, task, 0)));
        }
        for (Weights.Entry entry : weights.entries()) {
          for (int i = (int) entry.offset(); i < entry.offset() + entry.size(); i++) {
            boolean kept = entry.part() != Part.PROBE && entry.part() != Part.WORDS;
            expected[i] = !kept ? 0 : bfloat16 ? Float.intBitsToFloat(Weights.bfloat16(expected[i]) << 16) : expected[i];
          }
        }
        assertArrayEquals(expected, model.weights().values());
      }
    }
  }

  @Test
  void aTensorThatIsMissingIsNamed() throws Exception {
    changeTensors("llm", tensors -> tensors.remove("model.norm.weight"));
    assertEquals(folder.resolve("llm/model.safetensors") + ": model.norm.weight is missing, expected [160]", refused());
  }

  @Test
  void aTensorOfAnotherShapeIsNamed() throws Exception {
    changeTensors("mm_projector", tensors -> tensors.put("layers.2.bias", new Safetensors.Values(new long[] {3}, new float[3])));
    assertEquals(folder.resolve("mm_projector/model.safetensors") + ": layers.2.bias is [3], expected [160]", refused());
  }

  @Test
  void aTensorThatIsUnknownIsNamed() throws Exception {
    changeTensors("llm", tensors -> tensors.put("lm_head.weight", new Safetensors.Values(new long[] {1}, new float[1])));
    assertEquals(folder.resolve("llm/model.safetensors") + ": lm_head.weight is no weight of such a model", refused());
  }

  @Test
  void aTensorOfAnotherTypeIsNamed() throws Exception {
    changeText("vision_tower", "\"BF16\"", "\"F16\" ");
    String first = "vision_model.embeddings.patch_embedding.weight";
    assertEquals(folder.resolve("vision_tower/model.safetensors") + ": " + first + " is F16, expected F32 or BF16", refused());
  }

  @Test
  void aTensorOutsideOfTheFileIsNamed() throws Exception {
    Path file = folder.resolve("mm_projector/model.safetensors");
    byte[] whole = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(whole, whole.length - 2));
    String message = refused();
    String end = whole.length + ", expected 320 bytes of the file's " + (whole.length - 2);
    assertTrue(message.startsWith(file + ": layers.4.bias lies at ") && message.endsWith(end), message);
  }

  @Test
  void aConfigurationOfAnotherModelIsRefused() throws Exception {
    Path file = folder.resolve("config.json");
    changeConfig(config -> config.getAsJsonObject("llm_cfg").addProperty("rope_theta", 10000));
    assertEquals(file + ": llm_cfg.rope_theta is 10000, expected 500000.0", refused());
    write();
    changeConfig(config -> config.addProperty("s2", true));
    assertEquals(file + ": s2 is true, expected false", refused());
    write();
    changeConfig(config -> config.getAsJsonObject("vision_tower_cfg").remove("patch_size"));
    assertEquals(file + ": vision_tower_cfg.patch_size is missing, expected a number above 0", refused());
    write();
    changeConfig(config -> config.getAsJsonObject("llm_cfg").addProperty("vocab_size", 5));
    assertEquals(file + ": llm_cfg.vocab_size is 5, expected " + tokenizer.size(), refused());
    write();
    changeConfig(config -> config.remove("llm_cfg"));
    assertEquals(file + ": llm_cfg is missing, expected an object", refused());
    write();
    Files.writeString(file, "{");
    assertTrue(refused().startsWith(file + ": "), refused());
  }

  @Test
  void aFileThatIsMissingIsNamed() throws Exception {
    Path file = folder.resolve("llm/tokenizer.json");
    Files.delete(file);
    assertEquals(file.toString(), assertThrows(NoSuchFileException.class, () -> ModelFolder.read(folder)).getMessage());
  }
}
