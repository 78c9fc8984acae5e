// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.Completion;
import io.github.vila4j.FinishReason;
import io.github.vila4j.Prompt;
import io.github.vila4j.PromptPart;
import io.github.vila4j.VilaException;
import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import io.github.vila4j.VilaSession;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A conversation. */
@Command(
    name = "chat",
    description = "A conversation: each line of input is a turn.",
    footer = {
      "",
      "Lines that begin with a slash are commands:",
      "  /image FILE   adds an image to the next turn, where <image> stands in it, or before it",
      "  /reset        begins anew",
      "  /quit         ends, as the end of input does"
    })
final class Chat extends BaseCommand {
  private static final String MARK = "<image>";

  @Mixin private ModelOptions model;
  @Mixin private PromptOptions framing;
  @Mixin private SamplingOptions sampling;

  @Option(names = "--image", paramLabel = "FILE", description = "An image of the first turn; may be repeated.")
  private List<Path> images = List.of();

  @Option(names = "--json", description = "Print one line of JSON per turn.")
  private boolean json;

  private final List<VilaImage> waiting = new ArrayList<>();
  private Prompt.Builder talk;

  @Override
  public Integer call() throws IOException {
    images.forEach(file -> waiting.add(Images.read(file)));
    talk = framing.begin();
    boolean watched = Terminal.isInteractive();
    try (Interruption interruption = new Interruption();
        VilaModel loaded = model.load(interruption);
        VilaSession session = loaded.newSession()) {
      interruption.cancelWith(session::cancel);
      while (!interruption.isRequested()) {
        if (watched) {
          err().print("> ");
          err().flush();
        }
        interruption.setIdle(true);
        String line = main().in().readLine();
        interruption.setIdle(false);
        if (line == null || line.strip().equals("/quit")) {
          return Main.OK;
        }
        try {
          handle(line, session, interruption);
        } catch (VilaException | FailureException | UsageException e) {
          if (!watched) {
            throw e;
          }
          err().println("vila4j: " + e.getMessage());
        }
      }
      return Main.FAILED;
    }
  }

  private void handle(String line, VilaSession session, Interruption interruption) {
    String command = line.strip();
    if (command.isEmpty()) {
      return;
    }
    if (command.equals("/reset")) {
      talk = framing.begin();
      waiting.clear();
    } else if (command.startsWith("/image ")) {
      waiting.add(Images.read(Path.of(command.substring("/image ".length()).strip())));
    } else if (command.startsWith("/")) {
      throw new UsageException("unknown command '" + command.split(" ")[0] + "'; there are /image FILE, /reset and /quit");
    } else {
      Prompt.Builder attempt = talk.build().toBuilder().user(turn(line));
      Completion completion =
          session.generate(
              attempt.build(),
              sampling.toGenerationOptions(),
              token -> {
                if (!json) {
                  out().print(token.text());
                  out().flush();
                }
                return !interruption.isRequested();
              });
      out().println(json ? Json.compact(Json.of(completion)) : "");
      out().flush();
      waiting.clear();
      if (completion.finishReason() != FinishReason.CANCELLED) {
        talk = attempt.assistant(completion.text());
      }
    }
  }

  /** The text of a turn with the waiting images at its marks, or before it. */
  private PromptPart[] turn(String line) {
    List<PromptPart> parts = new ArrayList<>();
    String[] texts = line.split(MARK, -1);
    if (texts.length == 1) {
      for (VilaImage image : waiting) {
        parts.add(image);
        parts.add(PromptPart.text("\n"));
      }
      parts.add(PromptPart.text(line));
    } else if (texts.length - 1 == waiting.size()) {
      for (int i = 0; i < texts.length; i++) {
        if (i > 0) {
          parts.add(waiting.get(i - 1));
        }
        parts.add(PromptPart.text(texts[i]));
      }
    } else {
      throw new UsageException(
          "the turn has " + (texts.length - 1) + " <image> marks for " + waiting.size() + " images; give them with /image FILE");
    }
    return parts.toArray(PromptPart[]::new);
  }
}
