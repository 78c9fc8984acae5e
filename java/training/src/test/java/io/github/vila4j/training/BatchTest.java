// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vila4j.shapes.Colour;
import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Place;
import io.github.vila4j.shapes.Scene;
import io.github.vila4j.shapes.Shape;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import io.github.vila4j.shapes.Texture;
import io.github.vila4j.shapes.Thing;
import io.github.vila4j.shapes.text.BytePairs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class BatchTest {
  private static final BytePairs TOKENIZER = TokenizerFiles.learn();
  private static final ModelShape SHAPE = ModelShape.small(TOKENIZER.size());

  private static String text(long[] ids) {
    return TOKENIZER.decode(Arrays.stream(ids).mapToInt(id -> (int) id).toArray());
  }

  @Test
  void conversationsAreLearntFromTheirAnswers() {
    Item chat = Items.of(Split.TRAIN, Task.CHAT, 3);
    Item sum = Items.of(Split.TRAIN, Task.TEXT_SUM, 4);
    Item two = Items.of(Split.TRAIN, Task.MULTI_SAME, 5);
    List<Sequence> sequences = List.of(chat, sum, two).stream().map(item -> Sequence.chat(TOKENIZER, item)).toList();
    Batch batch = Batch.of(sequences, SHAPE);

    StringBuilder answers = new StringBuilder();
    for (Item item : List.of(chat, sum, two)) {
      item.turns().forEach(turn -> answers.append(turn.answer()));
    }
    assertEquals(answers.toString(), text(batch.targets()));
    int end = TOKENIZER.id(TokenizerFiles.END);
    assertEquals(chat.turns().size() + 2, Arrays.stream(batch.targets()).filter(id -> id == end).count());
    for (int i = 0; i < batch.picked().length; i++) {
      assertEquals(batch.targets()[i], batch.rows()[(int) batch.picked()[i] + 1]);
      assertTrue(batch.lossWeights()[i] > 0);
    }

    assertEquals(3, batch.images());
    List<Long> images = new ArrayList<>();
    for (long row : batch.rows()) {
      if (row >= SHAPE.vocab()) {
        images.add(row - SHAPE.vocab());
      }
    }
    assertEquals(3 * SHAPE.imageTokens(), images.size());
    for (int i = 0; i < images.size(); i++) {
      assertEquals(i, images.get(i));
    }
    for (int b = 0; b < 3; b++) {
      assertEquals(b * batch.positions() + sequences.get(b).length(SHAPE.imageTokens()) - 1, batch.ends()[b]);
    }
  }

  @Test
  void coloursWithoutANameChangePixelsOnly() {
    Sequence chat = Sequence.chat(TOKENIZER, Items.of(Split.TRAIN, Task.VQA_SHAPE, 2));
    Batch named = Batch.of(List.of(chat, chat), SHAPE);
    Batch batch = Batch.of(List.of(chat, chat.inUnnamedColours()), SHAPE);
    assertArrayEquals(named.rows(), batch.rows());
    assertArrayEquals(named.targets(), batch.targets());
    int half = batch.patches().length / 2;
    assertArrayEquals(Arrays.copyOf(named.patches(), half), Arrays.copyOf(batch.patches(), half));
    assertFalse(Arrays.equals(Arrays.copyOf(batch.patches(), half), Arrays.copyOfRange(batch.patches(), half, 2 * half)));
  }

  @Test
  void documentsAreLearntFromTheirTexts() {
    List<Scene> scenes = Items.of(Split.TRAIN, Task.MULTI_ODD, 1).scenes().subList(0, 2);
    Batch batch = Batch.of(List.of(Sequence.document(TOKENIZER, scenes, List.of("dax", "wug"), List.of(1f, 0.5f))), SHAPE);
    assertEquals("dax\nwug\n", text(batch.targets()));
    assertEquals(SHAPE.imageTokens() - 1, batch.picked()[0]);
    assertTrue(batch.lossWeights()[0] > batch.lossWeights()[batch.lossWeights().length - 1]);
  }

  @Test
  void labelsAreLearntLittleWhereTheyCannotBeKnown() {
    List<Scene> scenes = Items.of(Split.TRAIN, Task.MULTI_ODD, 1).scenes().subList(0, 2);
    List<Float> weights = List.of(Sequence.UNKNOWN_LABEL, 1f);
    Batch plain = Batch.of(List.of(Sequence.labelled(TOKENIZER, scenes, List.of("fub", "fub"), weights, false, true)), SHAPE);
    assertEquals("fub\nfub\n", text(plain.targets()));
    assertEquals(Sequence.UNKNOWN_LABEL, plain.lossWeights()[0]);
    assertEquals(1, plain.lossWeights()[2]);
    Batch echo = Batch.of(List.of(Sequence.labelled(TOKENIZER, scenes, List.of("fub", "fub"), weights, true, true)), SHAPE);
    assertEquals("fub " + scenes.get(0).summary() + "\nfub " + scenes.get(1).summary() + "\n", text(echo.targets()));

    Item shots = Items.of(Split.TRAIN, Task.ICL_LABEL_4, 2);
    Item turns = shots.shotsAsTurns();
    Sequence sequence = Sequence.chat(TOKENIZER, turns);
    List<String> seen = new ArrayList<>();
    int at = 0;
    for (int i = 0; i < turns.turns().size(); i++) {
      String label = turns.turns().get(i).answer();
      int id = TOKENIZER.encode(label)[0];
      while (sequence.ids()[at] != id) {
        at++;
      }
      boolean known = seen.contains(label) || i == turns.turns().size() - 1;
      assertEquals(known, sequence.weights()[at] > 0.5, label);
      assertTrue(sequence.weights()[at] > 0, label);
      seen.add(label);
      at++;
    }
  }

  @Test
  void extendedBatchesAreThoseOfLongerSequences() {
    Item item = Items.of(Split.TRAIN, Task.VQA_WHERE, 2);
    Batch whole = Batch.of(List.of(Sequence.chat(TOKENIZER, item)), SHAPE);
    int[] answer = TOKENIZER.encode(item.expected() + TokenizerFiles.END);
    Batch extended = Batch.of(List.of(Sequence.prompt(TOKENIZER, item)), SHAPE).extended(List.of(answer));
    assertArrayEquals(whole.rows(), extended.rows());
    assertArrayEquals(whole.ends(), extended.ends());
  }

  @Test
  void patchesShowTheThingsThatReachThem() {
    Thing thing = new Thing(Shape.STAR, Colour.PINK, Texture.DOTTED, true, Place.CENTRE, 0, 0, 0.14);
    Batch batch = Batch.ofScenes(List.of(new Scene(List.of(thing), "", -1, 112, 112, 5)), 0, SHAPE, TOKENIZER);
    long[] shapes = batch.labels()[Probe.SHAPE.ordinal()];
    long[] colours = batch.labels()[Probe.COLOUR.ordinal()];
    int middle = 3 * SHAPE.grid() + 3;
    assertEquals(1 + Shape.STAR.ordinal(), shapes[middle]);
    assertEquals(1 + Colour.PINK.ordinal(), colours[middle]);
    assertEquals(0, shapes[0]);
    assertEquals(4, Arrays.stream(shapes).filter(label -> label != 0).count());
    assertFalse(Arrays.stream(shapes).anyMatch(label -> label > Shape.values().length));
  }

  @Test
  void nothingIsLearntOfColoursWithoutAName() {
    Thing thing = new Thing(Shape.STAR, Colour.PINK, Texture.DOTTED, true, Place.CENTRE, 0, 0, 0.14);
    Scene scene = new Scene(List.of(thing), "", -1, 112, 112, 5);
    Batch batch = Batch.ofScenes(List.of(scene, scene), 1, SHAPE, TOKENIZER);
    int patches = SHAPE.patches();
    assertFalse(Arrays.equals(
        Arrays.copyOf(batch.patches(), patches * SHAPE.patchValues()),
        Arrays.copyOfRange(batch.patches(), patches * SHAPE.patchValues(), 2 * patches * SHAPE.patchValues())));
    for (Probe probe : Probe.values()) {
      long[] labels = batch.labels()[probe.ordinal()];
      for (int patch = 0; patch < patches; patch++) {
        long named = labels[patches + patch];
        boolean colour = probe == Probe.ALL_COLOUR || (probe == Probe.COLOUR || probe == Probe.ALIKE_COLOUR) && named != 0;
        assertEquals(colour ? Probe.NOT_ASKED : named, labels[patch], probe + " of patch " + patch);
      }
    }
  }

  @Test
  void oneOrMorePatchesHoldTheMiddleAndTheLastFourTellOfAll() {
    Thing star = new Thing(Shape.STAR, Colour.PINK, Texture.DOTTED, true, Place.TOP_LEFT, 0.01, 0.02, 0.14);
    Thing ring = new Thing(Shape.RING, Colour.PINK, Texture.SOLID, false, Place.RIGHT, -0.01, 0.02, 0.08);
    long[][] labels = Batch.ofScenes(List.of(new Scene(List.of(star, ring), "42", 2, 112, 144, 5)), 0, SHAPE, TOKENIZER).labels();
    int grid = SHAPE.grid();
    assertEquals(2, Arrays.stream(labels[Probe.MIDDLE.ordinal()]).sum());
    assertEquals(1, labels[Probe.MIDDLE.ordinal()][grid + 1]);
    assertEquals(2, labels[Probe.ALIKE_COLOUR.ordinal()][grid + 1]);
    assertEquals(1, labels[Probe.ALIKE_SHAPE.ordinal()][grid + 1]);
    assertEquals(0, labels[Probe.ALIKE_SHAPE.ordinal()][grid * grid - 1]);
    for (int patch = 0; patch < SHAPE.patches(); patch++) {
      boolean last = patch / grid >= grid - 2 && patch % grid >= grid - 2;
      assertEquals(last ? 2 : Probe.NOT_ASKED, labels[Probe.COUNT.ordinal()][patch]);
      assertEquals(last ? 1 + Colour.PINK.ordinal() : Probe.NOT_ASKED, labels[Probe.ALL_COLOUR.ordinal()][patch]);
      assertEquals(last ? 0 : Probe.NOT_ASKED, labels[Probe.ALL_SHAPE.ordinal()][patch]);
      boolean written = (patch / grid + 0.5) / grid > 2 / 3.0;
      assertEquals(written ? Probe.WORD.classes() - 1 : 0, labels[Probe.WORD.ordinal()][patch]);
      assertEquals(written ? 1 + 4 : 0, labels[Probe.DIGIT_1.ordinal()][patch]);
      assertEquals(written ? 1 + 2 : 0, labels[Probe.DIGIT_2.ordinal()][patch]);
      assertEquals(0, labels[Probe.DIGIT_3.ordinal()][patch]);
    }
  }

  @Test
  void batchesDependOnTheirNumberOnly() {
    Recipe recipe = Recipe.demo(9, 1);
    List<Batch> all = new ArrayList<>();
    List<Batches.Cursor> cursors = new ArrayList<>();
    try (Batches batches = new Batches(recipe, 4, SHAPE, TOKENIZER, Batches.Cursor.START, 2)) {
      for (int i = 0; i < 5; i++) {
        Batches.Step step = batches.next();
        all.add(step.batch());
        cursors.add(step.next());
        assertTrue(step.batch().rows().length <= recipe.positions(), "positions");
        assertTrue(step.batch().images() <= recipe.images(), "images");
      }
    }
    try (Batches batches = new Batches(recipe, 4, SHAPE, TOKENIZER, cursors.get(2), 1)) {
      assertEquals(all.get(3), batches.next().batch());
      assertEquals(all.get(4), batches.next().batch());
    }
  }

  @Test
  void aPoolCountsTheBatchesBeforeIt() {
    try (Batches batches = new Batches(Recipe.demo(9, 1), 4, SHAPE, TOKENIZER, Batches.Cursor.START, 2)) {
      int number = 0;
      Batches.Cursor next;
      do {
        next = batches.next().next();
        number++;
      } while (next.pool() == 0);
      assertEquals(new Batches.Cursor(1, 0, number), next);
      Batch following = batches.next().batch();
      try (Batches again = new Batches(Recipe.demo(9, 1), 4, SHAPE, TOKENIZER, next, 1)) {
        assertEquals(following, again.next().batch());
      }
    }
  }
}
