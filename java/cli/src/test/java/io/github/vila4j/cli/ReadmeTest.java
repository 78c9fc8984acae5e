// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The questions that README.md shows with their answers are answered as it says. */
class ReadmeTest {
  private static final Pattern BLOCK = Pattern.compile("```console\n(.*?)```", Pattern.DOTALL);
  private static final Pattern ARGUMENT = Pattern.compile("\"([^\"]*)\"|(\\S+)");

  /** The words of a command without its program; files are those of the test data. */
  private static String[] arguments(String command) {
    List<String> words = new ArrayList<>();
    for (Matcher word = ARGUMENT.matcher(command); word.find(); ) {
      String text = word.group(1) != null ? word.group(1) : word.group(2);
      words.add(text.startsWith("tests/data/") ? Run.DATA.resolve(text.substring("tests/data/".length())).toString() : text);
    }
    assertEquals("./vila4j", words.remove(0));
    return words.toArray(String[]::new);
  }

  @Test
  void answersAreThoseOfTheDemoModel() throws Exception {
    Matcher block = BLOCK.matcher(Files.readString(Run.DATA.resolve("../../README.md")));
    int questions = 0;
    while (block.find()) {
      String[] runs = block.group(1).replace("\\\n", " ").split("(?m)^\\$ ");
      for (int i = 1; i < runs.length; i++) {
        String run = runs[i].strip();
        int end = run.lastIndexOf('\n');
        assertEquals(run.substring(end + 1), Run.ok(arguments(run.substring(0, end))).strip(), run);
        questions++;
      }
    }
    assertTrue(questions >= 4, questions + " questions in README.md");
  }
}
