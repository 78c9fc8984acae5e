// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.ArrayList;
import java.util.List;

/**
 * One conversation about scenes, whose last answer is what counts. Immutable.
 *
 * @param task what it tests
 * @param scenes what the images show, one per {@code <image>} mark of the questions
 * @param turns at least one
 */
public record Item(Task task, List<Scene> scenes, List<Turn> turns) {
  /** Where an image stands. */
  public static final String MARK = "<image>";

  /**
   * Copies the lists.
   *
   * @param task what it tests
   * @param scenes as many as there are marks
   * @param turns at least one
   */
  public Item {
    scenes = List.copyOf(scenes);
    turns = List.copyOf(turns);
  }

  /**
   * The right last answer.
   *
   * @return not empty
   */
  public String expected() {
    return turns.get(turns.size() - 1).answer();
  }

  /**
   * Draws the images.
   *
   * @return one per scene
   */
  public List<Picture> pictures() {
    return scenes.stream().map(Painter::paint).toList();
  }

  /**
   * Whether a colour and a shape that training keeps apart meet in an image.
   *
   * @return true where they do
   */
  public boolean hasHeldOut() {
    return scenes.stream().anyMatch(Scene::hasHeldOut);
  }

  /**
   * The same examples as turns of their own: each image a question, its label the answer.
   *
   * @return this item where it has no examples
   */
  public Item shotsAsTurns() {
    if (task.shots() == 0) {
      return this;
    }
    List<Turn> shots = new ArrayList<>();
    for (String label : turns.get(0).question().split(MARK)) {
      if (!label.isBlank()) {
        shots.add(new Turn(MARK, label.strip()));
      }
    }
    shots.add(new Turn(MARK, expected()));
    return new Item(task, scenes, shots);
  }

  /**
   * The same conversation with a line end between images that follow each other, as prompts have it that do not place their images.
   *
   * @return an item with the same images
   */
  public Item imagesOnLines() {
    String next = "(?<=" + MARK + ")(?=" + MARK + ")";
    return new Item(
        task, scenes, turns.stream().map(turn -> new Turn(turn.question().replaceAll(next, "\n"), turn.answer())).toList());
  }

  /**
   * The same conversation with each image put into words.
   *
   * @return an item without images
   */
  public Item inWords() {
    List<Turn> told = new ArrayList<>();
    int next = 0;
    for (Turn turn : turns) {
      StringBuilder question = new StringBuilder();
      int from = 0;
      for (int at = turn.question().indexOf(MARK); at >= 0; at = turn.question().indexOf(MARK, from)) {
        question.append(turn.question(), from, at).append('[').append(scenes.get(next++).caption()).append(']');
        from = at + MARK.length();
      }
      told.add(new Turn(question.append(turn.question().substring(from)).toString(), turn.answer()));
    }
    return new Item(task, List.of(), told);
  }
}
