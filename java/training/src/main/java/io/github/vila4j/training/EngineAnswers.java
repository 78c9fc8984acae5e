// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.GenerationOptions;
import io.github.vila4j.LoadOptions;
import io.github.vila4j.Prompt;
import io.github.vila4j.Role;
import io.github.vila4j.Vila;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import io.github.vila4j.shapes.Item;
import io.github.vila4j.shapes.Turn;
import java.nio.file.Path;
import java.util.List;

/** Greedy answers by the engine. */
final class EngineAnswers {
  private static final GenerationOptions OPTIONS = GenerationOptions.builder().maxNewTokens(Answers.MOST_TOKENS).build();

  private EngineAnswers() {}

  /** The engine's model in fp32, as PyTorch computes here. */
  static VilaModel load(Path folder) {
    return Vila.load(folder, LoadOptions.builder().precision("fp32").build(), null);
  }

  static String text(VilaModel model, Item item) {
    List<VilaImage> images = item.pictures().stream().map(p -> VilaImage.ofRgb(p.rgb(), p.width(), p.height())).toList();
    return model.generate(prompt(item, images), OPTIONS).text();
  }

  /** The item up to its last question. */
  static Prompt prompt(Item item, List<VilaImage> images) {
    Prompt.Builder prompt = Prompt.builder();
    for (int i = 0; i < item.turns().size(); i++) {
      Turn turn = item.turns().get(i);
      prompt.marked(Role.USER, turn.question());
      if (i + 1 < item.turns().size()) {
        prompt.assistant(turn.answer());
      }
    }
    return prompt.images(images).build();
  }
}
