// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.examples;

import io.github.vila4j.Completion;
import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.PromptPart;
import io.github.vila4j.Vila;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import java.nio.file.Path;

/** Asks what differs between images: text and images in one turn, in any order. */
public final class CompareImages {
  private CompareImages() {}

  /**
   * Arguments: the checkpoint's folder, then two or more image files.
   *
   * @param args the arguments
   */
  public static void main(String[] args) {
    Prompt.Builder prompt = Prompt.builder().user(PromptPart.text("Look at these images. "));
    for (int i = 1; i < args.length; i++) {
      prompt.text("Image " + i + ": ").image(VilaImage.of(Path.of(args[i]))).text("\n");
    }
    prompt.text("What do they have in common, and what differs?");
    try (VilaModel model = Vila.load(Path.of(args[0]))) {
      Completion answer = model.generate(prompt.build(), GenerationOptions.builder().maxNewTokens(80).build());
      System.out.println(answer.text());
      System.out.println(answer.usage().imageTokens() + " of " + answer.usage().promptTokens() + " positions are images");
    }
  }
}
