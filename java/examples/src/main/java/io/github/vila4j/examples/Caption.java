// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.examples;

import io.github.vila4j.Completion;
import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import java.nio.file.Path;

/** Describes each image in a sentence. */
public final class Caption {
  private Caption() {}

  /**
   * Arguments: image files.
   *
   * @param args the arguments
   */
  public static void main(String[] args) {
    GenerationOptions options = GenerationOptions.builder().maxNewTokens(40).build();
    try (VilaModel model = Models.load()) {
      for (String file : args) {
        VilaImage image = VilaImage.of(Path.of(file));
        Completion caption = model.generate(Prompt.of("<image>\nDescribe the image.", image), options);
        System.out.println(file + ": " + caption.text());
      }
    }
  }
}
