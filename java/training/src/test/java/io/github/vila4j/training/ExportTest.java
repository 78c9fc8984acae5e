// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vila4j.EncodedImage;
import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.TokenizedPrompt;
import io.github.vila4j.Vila;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import io.github.vila4j.VilaSession;
import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Picture;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import io.github.vila4j.shapes.text.BytePairs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model with random weights, written as a checkpoint, gives the same numbers in the engine as here. */
class ExportTest {
  @TempDir private static Path folder;
  private static BytePairs tokenizer;
  private static Weights weights;
  private static Network network;
  private static VilaModel model;

  @BeforeAll
  static void export() throws Exception {
    tokenizer = TokenizerFiles.learn();
    weights = new Weights(ModelShape.demo(tokenizer.size()), 11);
    network = new Network(weights, false);
    Path checkpoint = Files.createDirectory(folder.resolve("checkpoint"));
    ModelFolder.write(checkpoint, weights, tokenizer, false);
    model = Vila.load(checkpoint);
  }

  @AfterAll
  static void close() {
    model.close();
    weights.close();
  }

  private static List<VilaImage> images(Item item) {
    return item.pictures().stream().map(p -> VilaImage.ofRgb(p.rgb(), p.width(), p.height())).toList();
  }

  private static Prompt prompt(Item item) {
    return EngineAnswers.prompt(item, images(item));
  }

  @Test
  void theCheckpointIsSmall() throws Exception {
    Path checkpoint = Files.createDirectory(folder.resolve("bfloat16"));
    ModelFolder.write(checkpoint, weights, tokenizer, true);
    long bytes = 0;
    for (String part : List.of("vision_tower", "mm_projector", "llm")) {
      bytes += Files.size(checkpoint.resolve(part).resolve("model.safetensors"));
    }
    assertTrue(bytes <= 12_000_000, bytes + " bytes");
    assertEquals("hermes-2", model.info().promptTemplate());
  }

  @Test
  void promptsHaveTheSameIds() {
    for (Task task : Task.values()) {
      for (int i = 0; i < 20; i++) {
        Item item = Items.of(Split.TEST, task, i);
        TokenizedPrompt tokenized = model.tokenize(prompt(item));
        Sequence sequence = Sequence.prompt(tokenizer, item);
        int[] ids = tokenized.inputIds();
        for (int at = 0; at < ids.length; at++) {
          ids[at] = sequence.ids()[at] == Sequence.IMAGE ? Sequence.IMAGE : ids[at];
        }
        assertArrayEquals(sequence.ids(), ids, tokenized.text());
        assertEquals(sequence.length(weights.shape().imageTokens()), tokenized.sequenceLength());
      }
    }
  }

  @Test
  void imagesHaveTheSameTokens() {
    for (int i = 0; i < 5; i++) {
      Item item = Items.of(Split.TEST, Task.VQA_READ, i);
      Batch batch = Batch.of(List.of(Sequence.prompt(tokenizer, item)), weights.shape());
      Picture picture = item.pictures().get(0);
      EncodedImage encoded = model.encodeImage(VilaImage.ofRgb(picture.rgb(), picture.width(), picture.height()));
      try (PointerScope scope = new PointerScope();
          AutoGradMode off = new AutoGradMode(false)) {
        Tensor patches = AbstractTensor.create(batch.patches(), 1, weights.shape().patches(), weights.shape().patchValues());
        Tensor features = network.features(patches);
        assertArrayEquals(Weights.toArray(features.contiguous()), encoded.visionFeatures().values(), 1e-4f);
        assertArrayEquals(Weights.toArray(network.project(features).contiguous()), encoded.projected().values(), 1e-4f);
      }
    }
  }

  @Test
  void promptsHaveTheSameLogits() {
    for (Task task : List.of(Task.VQA_COLOUR, Task.MULTI_MORE, Task.ICL_LABEL_8, Task.CHAT, Task.TEXT_SUM)) {
      Item item = Items.of(Split.TEST, task, 0);
      try (VilaSession session = model.newSession();
          PointerScope scope = new PointerScope();
          AutoGradMode off = new AutoGradMode(false)) {
        session.prefill(prompt(item));
        Batch batch = Batch.of(List.of(Sequence.prompt(tokenizer, item)), weights.shape());
        Tensor rows = Losses.rows(network, batch, Losses.imageTokens(network, batch, weights.shape()), weights.shape());
        Tensor logits = network.logits(rows.narrow(0, rows.size(0) - 1, 1));
        float[] expected = Weights.toArray(logits.contiguous());
        assertArrayEquals(expected, Arrays.copyOf(session.logits(), expected.length), 2e-4f);
      }
    }
  }

  @Test
  void answersAreTheSame() {
    List<Item> items = new ArrayList<>();
    for (Task task : Task.values()) {
      items.add(Items.of(Split.TEST, task, 1));
    }
    GenerationOptions options = GenerationOptions.builder().maxNewTokens(8).build();
    List<int[]> answers;
    try (Answers own = new Answers(weights, tokenizer, false, 2)) {
      answers = own.ids(items, 8);
    }
    int tokens = 0;
    for (int i = 0; i < items.size(); i++) {
      assertArrayEquals(answers.get(i), model.generate(prompt(items.get(i)), options).ids());
      tokens += answers.get(i).length;
    }
    assertTrue(tokens > 100, "the answers are too short to compare");
  }
}
