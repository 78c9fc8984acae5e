// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.shapes;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** What the suite tests. */
public enum Task {
  /** Telling everything that is in an image. */
  CAPTION,
  /** The colour of a thing. */
  VQA_COLOUR,
  /** The shape of a thing. */
  VQA_SHAPE,
  /** How many, 0 to 6. */
  VQA_COUNT,
  /** In which of nine places a thing is. */
  VQA_WHERE,
  /** How two things lie to each other: yes or no. */
  VQA_RELATION,
  /** Texture or size of a thing. */
  VQA_LOOK,
  /** A written word or number. */
  VQA_READ,
  /** Whether two images show the same. */
  MULTI_SAME,
  /** What changed between two images. */
  MULTI_CHANGED,
  /** Which of two to five images has most of something. */
  MULTI_MORE,
  /** Which of three to five images is unlike the others. */
  MULTI_ODD,
  /** A made-up label without an example: at chance. */
  ICL_LABEL_0,
  /** A made-up label after two examples. */
  ICL_LABEL_2,
  /** A made-up label after four examples. */
  ICL_LABEL_4,
  /** A made-up label after eight examples. */
  ICL_LABEL_8,
  /** An unnamed property without an example: at chance. */
  ICL_RULE_0,
  /** An unnamed property after two examples. */
  ICL_RULE_2,
  /** An unnamed property after four examples. */
  ICL_RULE_4,
  /** An unnamed property after eight examples. */
  ICL_RULE_8,
  /** The last answer of several turns about an image. */
  CHAT,
  /** Sums, text only. */
  TEXT_SUM,
  /** Facts of the world, text only. */
  TEXT_FACT,
  /** Questions about a scene told in words, text only. */
  TEXT_SCENE;

  /**
   * The name in commands and results.
   *
   * @return for example "vqa-colour"
   */
  public String id() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /**
   * The number of examples in the prompt.
   *
   * @return 0 where the task has none
   */
  public int shots() {
    return name().startsWith("ICL_") ? name().charAt(name().length() - 1) - '0' : 0;
  }

  /**
   * A task by its name.
   *
   * @param id as of {@link #id()}
   * @return the task
   * @throws IllegalArgumentException when there is none
   */
  public static Task of(String id) {
    return Arrays.stream(values())
        .filter(task -> task.id().equals(id))
        .findFirst()
        .orElseThrow(
            () -> {
              List<String> known = Arrays.stream(values()).map(Task::id).toList();
              return new IllegalArgumentException("task '" + id + "', expected one of " + String.join(", ", known));
            });
  }

  /**
   * Whether an answer is right: the expected words, letter case and a final full stop aside; of a caption the things may stand in
   * any order.
   *
   * @param item what was asked
   * @param answer what was said
   * @return true when right
   */
  public static boolean isRight(Item item, String answer) {
    if (item.task() == CAPTION) {
      return parts(answer).equals(parts(item.expected()));
    }
    return plain(answer).equals(plain(item.expected()));
  }

  private static List<String> parts(String caption) {
    return Arrays.stream(plain(caption).split(", | and ")).sorted().toList();
  }

  private static String plain(String answer) {
    String text = answer.strip().toLowerCase(Locale.ROOT);
    return text.endsWith(".") ? text.substring(0, text.length() - 1) : text;
  }
}
