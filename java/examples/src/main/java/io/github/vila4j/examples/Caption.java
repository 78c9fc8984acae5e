// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.examples;

import io.github.vila4j.Completion;
import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.Vila;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import java.nio.file.Path;

/** Describes each image in a sentence. */
public final class Caption {
  private Caption() {}

  /**
   * Arguments: the checkpoint's folder, then image files.
   *
   * @param args the arguments
   */
  public static void main(String[] args) {
    GenerationOptions options = GenerationOptions.builder().maxNewTokens(40).build();
    try (VilaModel model = Vila.load(Path.of(args[0]))) {
      for (int i = 1; i < args.length; i++) {
        VilaImage image = VilaImage.of(Path.of(args[i]));
        Completion caption = model.generate(Prompt.of("<image>\nDescribe the image in one sentence.", image), options);
        System.out.println(args[i] + ": " + caption.text());
      }
    }
  }
}
