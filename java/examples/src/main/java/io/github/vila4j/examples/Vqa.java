// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.examples;

import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.Token;
import io.github.vila4j.TokenStream;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import io.github.vila4j.VilaSession;
import java.nio.file.Path;
import java.util.List;

/** Answers questions about an image, printing each answer as it grows. The image is encoded once. */
public final class Vqa {
  private static final List<String> QUESTIONS =
      List.of("What is in the image?", "How many shapes are there?", "What shape is in the centre?");

  private Vqa() {}

  /**
   * Argument: an image file.
   *
   * @param args the arguments
   */
  public static void main(String[] args) {
    GenerationOptions options = GenerationOptions.builder().maxNewTokens(40).build();
    VilaImage image = VilaImage.of(Path.of(args[0]));
    try (VilaModel model = Models.load();
        VilaSession session = model.newSession()) {
      for (String question : QUESTIONS) {
        System.out.print(question + " ");
        try (TokenStream answer = session.stream(Prompt.of("<image>\n" + question, image), options)) {
          for (Token token : answer) {
            System.out.print(token.text());
          }
        }
        System.out.println();
      }
    }
  }
}
