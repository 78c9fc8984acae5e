// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.Prompt;
import picocli.CommandLine.Option;

/** What frames a prompt. */
final class PromptOptions {
  @Option(names = "--system", paramLabel = "TEXT", description = "Replaces the template's system text.")
  private String system;

  @Option(
      names = "--template",
      paramLabel = "ID",
      description =
          "A template other than the model's own: vicuna_v1, vicuna_v1_nosys, llava15, llama_3, llama_3_fix, llama_3_tinychat, "
              + "hermes-2, mpt, llama_2, plain, qwen2.")
  private String template;

  /** A prompt without turns. */
  Prompt.Builder begin() {
    Prompt.Builder builder = Prompt.builder();
    if (system != null) {
      builder.system(system);
    }
    if (template != null) {
      builder.template(template);
    }
    return builder;
  }
}
