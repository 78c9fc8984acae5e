// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.examples;

import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.Vila;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import java.nio.file.Path;
import java.util.List;

/** Shows two images with the answers wanted for them, and asks for the third's in the same way. */
public final class FewShot {
  private FewShot() {}

  /**
   * Arguments: the checkpoint's folder, then three image files.
   *
   * @param args the arguments
   */
  public static void main(String[] args) {
    VilaImage first = VilaImage.of(Path.of(args[1]));
    VilaImage second = VilaImage.of(Path.of(args[2]));
    VilaImage third = VilaImage.of(Path.of(args[3]));
    Prompt prompt =
        Prompt.builder()
            .user(first)
            .assistant("A landscape, 160 pixels wide.")
            .user(second)
            .assistant("A tall picture, 31 pixels wide.")
            .user(third)
            .build();
    try (VilaModel model = Vila.load(Path.of(args[0]))) {
      System.out.println(model.generate(prompt, GenerationOptions.builder().maxNewTokens(40).stop(List.of("\n")).build()).text());
    }
  }
}
