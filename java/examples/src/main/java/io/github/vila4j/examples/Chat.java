// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.examples;

import io.github.vila4j.Completion;
import io.github.vila4j.GenerationOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import io.github.vila4j.VilaSession;
import java.nio.file.Path;
import java.util.List;

/** A conversation over several turns. The session computes only what each turn adds. */
public final class Chat {
  private static final List<String> TURNS = List.of("What is in the image?", "What shape is at the top left?", "What colour is it?");

  private Chat() {}

  /**
   * Argument: an image file.
   *
   * @param args the arguments
   */
  public static void main(String[] args) {
    GenerationOptions options = GenerationOptions.builder().maxNewTokens(30).temperature(0.7f).topP(0.9f).seed(7).build();
    Prompt.Builder talk = Prompt.builder();
    try (VilaModel model = Models.load();
        VilaSession session = model.newSession()) {
      for (String turn : TURNS) {
        if (turn.equals(TURNS.get(0))) {
          talk.user(VilaImage.of(Path.of(args[0]))).text("\n" + turn);
        } else {
          talk.user(turn);
        }
        Completion answer = session.generate(talk.build(), options);
        talk.assistant(answer.text());
        System.out.println("user: " + turn);
        System.out.println("assistant: " + answer.text() + " (" + answer.usage().cachedTokens() + " positions reused)");
      }
    }
  }
}
