// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Prompts built in different ways, and prompts that make no sense. */
class PromptTest {
  private static final VilaImage IMAGE = TestData.image("photo.png");
  private static VilaModel model;

  @BeforeAll
  static void load() {
    model = TestData.load("vila10-clip-linear");
  }

  @AfterAll
  static void close() {
    model.close();
    assertEquals(0, Vila.liveObjectCount(), () -> Vila.liveObjects().toString());
  }

  private static void assertSame(Prompt expected, Prompt actual) {
    assertEquals(model.tokenize(expected).text(), model.tokenize(actual).text());
    assertArrayEquals(model.tokenize(expected).inputIds(), model.tokenize(actual).inputIds());
    assertEquals(model.tokenize(expected).imageSpans(), model.tokenize(actual).imageSpans());
  }

  @Test
  void marksAndPartsAreTheSame() {
    Prompt marked = Prompt.of("Look: <image>\nand <image> there", IMAGE, IMAGE);
    Prompt parts =
        Prompt.builder()
            .user(PromptPart.text("Look: "), IMAGE, PromptPart.text("\nand "))
            .image(IMAGE)
            .text(" there")
            .build();
    assertSame(marked, parts);
    assertEquals(2, marked.imageCount());
    assertEquals(2, parts.imageCount());
    assertEquals(1, parts.turnCount());
  }

  @Test
  void imagesWithoutMarksComeFirst() {
    assertSame(Prompt.of("<image>\n<image>\nCompare.", IMAGE, IMAGE), Prompt.of("Compare.", IMAGE, IMAGE));
  }

  @Test
  void markInPlainTextIsText() {
    TokenizedPrompt tokenized = model.tokenize(Prompt.builder().user("What does <image> mean?").build());
    assertEquals(0, tokenized.imageSpans().size());
  }

  @Test
  void wrongNumberOfImages() {
    for (int count : new int[] {0, 1, 3}) {
      VilaImage[] images = new VilaImage[count];
      Arrays.fill(images, IMAGE);
      InvalidArgumentException wrong =
          assertThrows(InvalidArgumentException.class, () -> model.tokenize(Prompt.of("<image> and <image>", images)));
      assertTrue(wrong.getMessage().contains("2") && wrong.getMessage().contains(Integer.toString(count)), wrong.getMessage());
      assertThrows(InvalidArgumentException.class, () -> model.generate(Prompt.of("<image> and <image>", images)));
    }
  }

  @Test
  void turnsOutOfOrder() {
    assertThrows(InvalidArgumentException.class, () -> model.tokenize(Prompt.builder().build()));
    assertThrows(InvalidArgumentException.class, () -> model.tokenize(Prompt.builder().assistant("I begin").build()));
    assertThrows(InvalidArgumentException.class, () -> model.tokenize(Prompt.builder().user("a").user("b").build()));
    assertThrows(InvalidArgumentException.class, () -> model.tokenize(Prompt.builder().user("a").assistant("b").build()));
    Prompt imageOfTheAssistant = Prompt.builder().user("a").assistant("").image(IMAGE).user("c").build();
    assertThrows(InvalidArgumentException.class, () -> model.tokenize(imageOfTheAssistant));
    IllegalStateException early = assertThrows(IllegalStateException.class, () -> Prompt.builder().text("a"));
    assertEquals("no turn to append to: call user() or assistant() first", early.getMessage());
  }

  @Test
  void systemTextAndTemplate() {
    Prompt plain = Prompt.of("Hello");
    Prompt own = plain.toBuilder().system("Answer in rhyme.").build();
    assertEquals(Optional.of("Answer in rhyme."), own.system());
    assertTrue(model.tokenize(own).text().startsWith("Answer in rhyme."), model.tokenize(own).text());
    Prompt other = plain.toBuilder().template("llama_3").build();
    assertEquals(Optional.of("llama_3"), other.template());
    assertNotEquals(model.tokenize(plain).text(), model.tokenize(other).text());
    InvalidArgumentException unknown =
        assertThrows(InvalidArgumentException.class, () -> model.tokenize(plain.toBuilder().template("klingon").build()));
    assertTrue(unknown.getMessage().contains("klingon") && unknown.getMessage().contains("vicuna_v1"), unknown.getMessage());
  }

  @Test
  void unpairedSurrogatesNameTheirPlace() {
    InvalidArgumentException turn =
        assertThrows(
            InvalidArgumentException.class, () -> model.tokenize(Prompt.builder().user("a").assistant("b").user("\uD800").build()));
    assertEquals("text of turn 3: unpaired surrogate U+D800 at index 0; expected well-formed UTF-16", turn.getMessage());
    InvalidArgumentException system =
        assertThrows(InvalidArgumentException.class, () -> model.tokenize(Prompt.builder().system("x\uDFFF").user("a").build()));
    assertEquals("system text: unpaired surrogate U+DFFF at index 1; expected well-formed UTF-16", system.getMessage());
    InvalidArgumentException stop =
        assertThrows(
            InvalidArgumentException.class,
            () -> model.generate(Prompt.of("a"), GenerationOptions.builder().stop(List.of("\uD800")).build()));
    assertEquals("stop string: unpaired surrogate U+D800 at index 0; expected well-formed UTF-16", stop.getMessage());
  }

  @Test
  void builderDoesNotReachBuiltPrompts() {
    Prompt.Builder builder = Prompt.builder().user("a");
    Prompt first = builder.build();
    builder.text("b").assistant("c");
    assertSame(Prompt.of("a"), first);
    Prompt.Builder second = first.toBuilder();
    second.text("b");
    assertSame(Prompt.of("a"), first);
    assertSame(Prompt.of("ab"), second.build());
  }

  @Test
  void promptLongerThanTheContext() {
    CapacityException tooLong =
        assertThrows(CapacityException.class, () -> model.generate(Prompt.of("word ".repeat(model.info().contextLength() + 1))));
    assertEquals(ErrorCode.CAPACITY, tooLong.code());
    assertTrue(tooLong.getMessage().contains(Integer.toString(model.info().contextLength())), tooLong.getMessage());
  }
}
