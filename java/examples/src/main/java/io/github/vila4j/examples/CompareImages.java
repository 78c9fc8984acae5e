// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.examples;

import io.github.vila4j.Completion;
import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import java.nio.file.Path;

/** Asks what differs between images: text and images in one turn, in any order. */
public final class CompareImages {
  private CompareImages() {}

  /**
   * Arguments: two image files.
   *
   * @param args the arguments
   */
  public static void main(String[] args) {
    VilaImage before = VilaImage.of(Path.of(args[0]));
    VilaImage after = VilaImage.of(Path.of(args[1]));
    Prompt prompt = Prompt.builder().user(before).image(after).text("\nWhat changed?").build();
    try (VilaModel model = Models.load()) {
      Completion answer = model.generate(prompt, GenerationOptions.builder().maxNewTokens(80).build());
      System.out.println(answer.text());
      System.out.println(answer.usage().imageTokens() + " of " + answer.usage().promptTokens() + " positions are images");
    }
  }
}
