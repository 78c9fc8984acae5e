// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.examples;

import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import java.nio.file.Path;
import java.util.List;

/** Shows images with the answers wanted for them, and asks for the last one's in the same way. */
public final class FewShot {
  private FewShot() {}

  /**
   * Arguments: pairs of an image file and its label, then an image file.
   *
   * @param args the arguments
   */
  public static void main(String[] args) {
    Prompt.Builder prompt = Prompt.builder();
    for (int i = 0; i + 1 < args.length; i += 2) {
      prompt.user(VilaImage.of(Path.of(args[i]))).assistant(args[i + 1]);
    }
    prompt.user(VilaImage.of(Path.of(args[args.length - 1])));
    try (VilaModel model = Models.load()) {
      System.out.println(model.generate(prompt.build(), GenerationOptions.builder().maxNewTokens(40).stop(List.of("\n")).build()).text());
    }
  }
}
