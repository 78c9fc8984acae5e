// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.Natives;
import io.github.vila4j.internal.PromptCaseVector;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.BytePointer;

/**
 * One prompt of a prompts.json file: {@code {"prompts": [{"name", "template", "turns", "images"}, ...]}}.
 *
 * @param name a name that is unique in its file and usable as a file name
 * @param template the template's id; empty for the model's own
 * @param turns user, assistant, user, ...; {@code <image>} marks an image
 * @param images file names in order, one per mark
 */
public record PromptCase(String name, String template, List<String> turns, List<String> images) {
  /**
   * Copies the lists.
   *
   * @param name a name that is unique in its file
   * @param template the template's id, or empty
   * @param turns the turns
   * @param images file names
   */
  public PromptCase {
    turns = List.copyOf(turns);
    images = List.copyOf(images);
  }

  /**
   * Reads a prompts.json file. {@code template} and {@code images} may be absent in it; other keys are ignored.
   *
   * @param file the file
   * @return its prompts in order
   * @throws NotFoundException when there is no such file
   * @throws DamagedFileException naming the file, the prompt and the field that is wrong
   */
  public static List<PromptCase> read(Path file) {
    Engine.start();
    try (BytePointer path = Text.toNative("file", file.toString());
        PromptCaseVector cases = NativeErrors.translating(() -> Natives.read_prompts(path))) {
      List<PromptCase> list = new ArrayList<>();
      for (long i = 0; i < cases.size(); i++) {
        io.github.vila4j.internal.PromptCase prompt = cases.get(i);
        list.add(
            new PromptCase(
                Text.take(prompt.name()),
                Text.take(prompt.prompt_template()),
                Text.list(prompt.turns()),
                Text.list(prompt.images())));
      }
      return List.copyOf(list);
    }
  }

  /**
   * The prompt with its images.
   *
   * @param loaded the images of {@link #images()}, in order
   * @return a prompt with the same turns and template
   */
  public Prompt toPrompt(List<VilaImage> loaded) {
    Prompt.Builder builder = Prompt.builder();
    if (!template.isEmpty()) {
      builder.template(template);
    }
    for (int i = 0; i < turns.size(); i++) {
      builder.marked(i % 2 == 0 ? Role.USER : Role.ASSISTANT, turns.get(i));
    }
    return builder.images(loaded).build();
  }
}
