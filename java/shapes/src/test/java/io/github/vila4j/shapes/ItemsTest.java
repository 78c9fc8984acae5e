// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ItemsTest {
  private static int marks(Item item) {
    String all = item.turns().stream().map(Turn::question).collect(Collectors.joining());
    return (all.length() - all.replace(Item.MARK, "").length()) / Item.MARK.length();
  }

  @ParameterizedTest
  @EnumSource(Task.class)
  void itemsAreWellFormedAndRepeatable(Task task) {
    Set<String> questions = new HashSet<>();
    for (int i = 0; i < 200; i++) {
      Item item = Items.of(Split.TEST, task, i);
      assertEquals(item, Items.of(Split.TEST, task, i));
      assertEquals(task, item.task());
      assertEquals(item.scenes().size(), marks(item));
      assertFalse(item.expected().isBlank());
      assertTrue(Task.isRight(item, " " + item.expected().toUpperCase(Locale.ROOT) + ". "));
      assertFalse(Task.isRight(item, item.expected() + " x"));
      assertEquals(0, marks(item.inWords()));
      questions.add(item.inWords().turns().toString());
    }
    assertTrue(questions.size() > (task.name().startsWith("TEXT_") ? 40 : task.name().endsWith("_0") ? 100 : 150));
  }

  /** No colour meets the shape it is kept from, in any task; in the test set such pairs are common. */
  @ParameterizedTest
  @EnumSource(Task.class)
  void pairsAreHeldOut(Task task) {
    int inTest = 0;
    for (int i = 0; i < 300; i++) {
      assertFalse(Items.of(Split.TRAIN, task, i).hasHeldOut());
      assertFalse(Items.of(Split.VALIDATION, task, i).hasHeldOut());
      inTest += Items.of(Split.TEST, task, i).hasHeldOut() ? 1 : 0;
    }
    assertTrue(task.name().startsWith("TEXT_") || inTest > 50, "only " + inTest + " of 300 test items have a held-out pair");
  }

  /** Where colours have no name, no question and no answer needs one. */
  @Test
  void questionsOfShapesNeedNoColours() {
    Set<String> answers = new HashSet<>();
    for (int i = 0; i < 300; i++) {
      Item item = Items.begin(Split.TRAIN, 5, i).ofShapes(4);
      assertEquals(4, item.turns().size());
      for (Turn turn : item.turns()) {
        for (Colour colour : Colour.values()) {
          String asked = " " + turn.question().replaceAll("[?\\n]", " ") + " " + turn.answer() + " ";
          assertFalse(asked.contains(" " + colour.word() + " "), turn.toString());
        }
        answers.add(turn.answer());
        if (turn.question().contains("many shapes")) {
          assertEquals(Integer.toString(item.scenes().get(0).things().size()), turn.answer());
        }
      }
    }
    assertTrue(answers.containsAll(List.of("0", "1", "2", "3", "4", "5", "6", "star", "top left")), answers.toString());
  }

  /** Scenes that are only told have all pairs about as often. */
  @Test
  void toldScenesHaveAllPairs() {
    int pairs = Shape.values().length * Colour.values().length;
    Map<String, Integer> counts = new HashMap<>();
    for (int i = 0; i < 3000; i++) {
      for (Thing thing : Items.beginTold(Split.TRAIN, 3, i).scene(6).things()) {
        counts.merge(thing.colour().word() + " " + thing.shape().word(), 1, Integer::sum);
      }
    }
    int things = counts.values().stream().mapToInt(Integer::intValue).sum();
    assertEquals(pairs, counts.size());
    counts.forEach((pair, count) -> assertEquals(1.0 / pairs, count / (double) things, 0.4 / pairs, pair));
  }

  @Test
  void halfOfTheComparisonsAreOfImagesThatAreTheSame() {
    int same = 0;
    for (int i = 0; i < 400; i++) {
      Item item = Items.begin(Split.TRAIN, 4, i).compared();
      boolean equal = item.scenes().get(0).things().equals(item.scenes().get(1).things());
      assertEquals(equal ? "same" : "different", item.turns().get(0).answer());
      assertEquals(equal ? 1 : 2, item.turns().size());
      same += equal ? 1 : 0;
    }
    assertEquals(200, same, 50);
  }

  @Test
  void unnamedColoursAreUnlikeThoseThatHaveAName() {
    for (Shape shape : Shape.values()) {
      Thing thing = new Thing(shape, Colour.RED, Texture.SOLID, true, Place.CENTRE, 0, 0, 0.15);
      for (long seed = 0; seed < 20; seed++) {
        Scene scene = new Scene(List.of(thing), "", -1, 112, 112, seed);
        byte[] named = Painter.paint(scene).rgb();
        byte[] unnamed = Painter.paintUnnamed(scene).rgb();
        double distance = 0;
        int inside = 0;
        for (int y = 0; y < 112; y++) {
          for (int x = 0; x < 112; x++) {
            if (!shape.contains((x + 0.5 - 56) / (0.12 * 112), (y + 0.5 - 56) / (0.12 * 112))) {
              continue;
            }
            double square = 0;
            for (int c = 0; c < 3; c++) {
              double by = (named[(y * 112 + x) * 3 + c] & 0xFF) - (unnamed[(y * 112 + x) * 3 + c] & 0xFF);
              square += by * by;
            }
            distance += Math.sqrt(square);
            inside++;
          }
        }
        assertTrue(distance / inside > 20, shape + " " + seed + ": " + distance / inside);
      }
    }
  }

  @Test
  void splitsDiffer() {
    for (int i = 0; i < 100; i++) {
      Item train = Items.of(Split.TRAIN, Task.CAPTION, i);
      assertNotEquals(train, Items.of(Split.VALIDATION, Task.CAPTION, i));
      assertNotEquals(train, Items.of(Split.TEST, Task.CAPTION, i));
      assertNotEquals(train, Items.of(Split.TRAIN, Task.CAPTION, i + 1));
    }
  }

  /** Every answer of a task with few answers is about as frequent as the others: guessing one does not pay. */
  @Test
  void answersAreBalanced() {
    Map<Task, Integer> kinds =
        Map.of(Task.VQA_COUNT, 7, Task.VQA_RELATION, 2, Task.MULTI_SAME, 2, Task.MULTI_CHANGED, 6, Task.VQA_WHERE, 9);
    kinds.forEach(
        (task, count) -> {
          Map<String, Integer> seen = new HashMap<>();
          for (int i = 0; i < 1000; i++) {
            seen.merge(Items.of(Split.TEST, task, i).expected(), 1, Integer::sum);
          }
          assertEquals(count, seen.size(), seen.toString());
          seen.values().forEach(times -> assertTrue(times > 500 / count && times < 1500 / count, task + " " + seen));
        });
  }

  /** Each label of a few-shot prompt is given before it is asked for, and its image is like those that had it. */
  @Test
  void fewShotLabelsAreExplained() {
    for (Task task : List.of(Task.ICL_LABEL_2, Task.ICL_LABEL_4, Task.ICL_LABEL_8)) {
      Set<String> answers = new HashSet<>();
      for (int i = 0; i < 300; i++) {
        Item item = Items.of(Split.TEST, task, i);
        assertEquals(task.shots() + 1, item.scenes().size());
        assertTrue(item.turns().get(0).question().contains(Item.MARK + item.expected() + "\n"));
        answers.add(item.expected());
      }
      assertTrue(answers.size() > 50, "the labels are the same too often");
    }
  }

  @Test
  void picturesAreTheSameEverywhere() {
    CRC32 sum = new CRC32();
    for (Task task : Task.values()) {
      for (Picture picture : Items.of(Split.TEST, task, 0).pictures()) {
        assertEquals(picture.width() * picture.height() * 3, picture.rgb().length);
        sum.update(picture.rgb());
      }
    }
    assertEquals(2275997545L, sum.getValue());
  }

  @Test
  void thingsAreDrawnWhereTheyAre() {
    Thing thing = new Thing(Shape.SQUARE, Colour.BLUE, Texture.SOLID, true, Place.TOP_RIGHT, 0, 0, 0.15);
    Picture picture = Painter.paint(new Scene(List.of(thing), "", -1, 120, 120, 7));
    int at = (20 * 120 + 100) * 3;
    assertTrue((picture.rgb()[at] & 0xFF) < 80 && (picture.rgb()[at + 2] & 0xFF) > 160, "the middle of the square is not blue");
    int outside = (100 * 120 + 20) * 3;
    assertTrue((picture.rgb()[outside] & 0xFF) > 140, "the paper is dark");
    assertArrayEquals(picture.rgb(), Painter.paint(new Scene(List.of(thing), "", -1, 120, 120, 7)).rgb());
  }

  @Test
  void captionsMayListThingsInAnyOrder() {
    Turn turn = new Turn("?", "a small red ring at the left, a b in the c and the text go");
    Item item = new Item(Task.CAPTION, List.of(), List.of(turn));
    assertTrue(Task.isRight(item, "the text go, a b in the c and a small red ring at the left"));
    assertFalse(Task.isRight(item, "a b in the c and a small red ring at the left"));
  }

  @Test
  void recalledPhrasesKeepTheirLabels() {
    for (int i = 0; i < 50; i++) {
      List<Turn> lines = Items.begin(Split.TRAIN, 7, i).recall(4, 20);
      assertEquals(20, lines.size());
      Map<String, String> labels = new HashMap<>();
      for (Turn line : lines) {
        assertEquals(line.answer(), labels.computeIfAbsent(line.question(), phrase -> line.answer()));
      }
      assertTrue(labels.size() <= 4 && Set.copyOf(labels.values()).size() == labels.size(), labels.toString());
    }
  }

  @Test
  void shotsMayBeTurns() {
    Item shots = Items.of(Split.TEST, Task.ICL_LABEL_4, 7);
    Item turns = shots.shotsAsTurns();
    assertEquals(5, turns.turns().size());
    StringBuilder joined = new StringBuilder();
    for (Turn turn : turns.turns().subList(0, 4)) {
      assertEquals(Item.MARK, turn.question());
      joined.append(turn.question()).append(turn.answer()).append('\n');
    }
    assertEquals(shots.turns().get(0).question(), joined + Item.MARK);
    assertEquals(shots.expected(), turns.expected());
    assertEquals(shots.scenes(), turns.scenes());
    Item zero = Items.of(Split.TEST, Task.ICL_LABEL_0, 7);
    assertEquals(zero, zero.shotsAsTurns());
  }

  @Test
  void imagesMayStandOnLines() {
    Item item = Items.of(Split.TEST, Task.MULTI_ODD, 3);
    int images = item.scenes().size();
    String question = item.imagesOnLines().turns().get(0).question();
    assertTrue(question.startsWith((Item.MARK + "\n").repeat(images)), question);
    assertEquals(item.turns().get(0).question(), question.replaceAll("(?<=>)\n(?=<)", ""));
  }

  @Test
  void summariesTellTheFirstThing() {
    Thing star = new Thing(Shape.STAR, Colour.PINK, Texture.DOTTED, true, Place.LEFT, 0, 0, 0.14);
    Thing ring = new Thing(Shape.RING, Colour.RED, Texture.SOLID, true, Place.TOP, 0, 0, 0.14);
    assertEquals("2 red ring", new Scene(List.of(star, ring), "", -1, 112, 112, 1).summary());
    assertEquals("1 dotted pink star", new Scene(List.of(star), "", -1, 112, 112, 1).summary());
    assertEquals("0", new Scene(List.of(), "go", 1, 112, 112, 1).summary());
  }

  @Test
  void tasksHaveNames() {
    assertEquals(Task.ICL_LABEL_4, Task.of("icl-label-4"));
    assertEquals(4, Task.ICL_LABEL_4.shots());
    String message = assertThrows(IllegalArgumentException.class, () -> Task.of("vqa")).getMessage();
    assertTrue(message.startsWith("task 'vqa', expected one of caption, vqa-colour, "), message);
  }

  /** Reference values: R, binom::binom.confint(c(850, 0), c(1000, 20), methods = "wilson"). */
  @Test
  void intervalsAreWilsons() {
    assertEquals(0.8265, new Accuracy(850, 1000).low(), 1e-4);
    assertEquals(0.8708, new Accuracy(850, 1000).high(), 1e-4);
    assertEquals(0, new Accuracy(0, 20).low());
    assertEquals(0.1611, new Accuracy(0, 20).high(), 1e-4);
  }
}
