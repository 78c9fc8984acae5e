// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.github.vila4j.Tokenizer;
import io.github.vila4j.demo.DemoModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Text to ids and back. */
@Command(name = "tokenize", description = "Turns text into token ids and back, with the checkpoint's own tokenizer.")
final class Tokenize extends BaseCommand {
  @Option(
      names = "--model",
      paramLabel = "DIR",
      description = "A checkpoint's folder, or one with tokenizer files. " + ModelOptions.DEMO)
  private Path model;

  @ArgGroup(multiplicity = "1")
  private Source source;

  @Option(names = "--out", paramLabel = "FILE", description = "Write {\"vectors\": [{\"ids\", \"decoded\"}, ...]} there.")
  private Path out;

  @Option(names = "--json", description = "Print the same to stdout.")
  private boolean json;

  /** Where the texts come from. */
  static final class Source {
    @Option(names = "--text", required = true, paramLabel = "TEXT", description = "A text; may be repeated.")
    private List<String> texts;

    @Option(
        names = "--vectors",
        required = true,
        paramLabel = "FILE",
        description = "Texts in a JSON file: {\"vectors\": [{\"text\": ...}, ...]}.")
    private Path vectors;
  }

  /** A result. */
  private record Vector(int[] ids, String decoded) {}

  /** The results. */
  private record Vectors(List<Vector> vectors) {}

  @Override
  public Integer call() {
    List<String> texts = source.vectors == null ? source.texts : readTexts(source.vectors);
    List<Vector> vectors = new ArrayList<>();
    try (Tokenizer tokenizer = Tokenizer.load(model == null ? DemoModel.folder() : model)) {
      for (String text : texts) {
        int[] ids = tokenizer.encode(text, true);
        vectors.add(new Vector(ids, tokenizer.decode(ids, true)));
      }
    }
    if (out != null) {
      Json.write(out, new Vectors(vectors));
    }
    if (json || out == null && source.vectors != null) {
      out().println(Json.pretty(new Vectors(vectors)));
    } else if (out == null) {
      for (Vector vector : vectors) {
        out().println(IntStream.of(vector.ids()).mapToObj(Integer::toString).collect(Collectors.joining(" ")));
      }
    }
    return Main.OK;
  }

  private static List<String> readTexts(Path file) {
    JsonElement vectors = Json.read(file) instanceof JsonObject root ? root.get("vectors") : null;
    if (!(vectors instanceof JsonArray array)) {
      throw new FailureException(file + ": no array 'vectors' in it");
    }
    List<String> texts = new ArrayList<>();
    for (JsonElement vector : array) {
      JsonElement text = vector instanceof JsonObject object ? object.get("text") : null;
      if (text == null || !text.isJsonPrimitive() || !text.getAsJsonPrimitive().isString()) {
        throw new FailureException(file + ": vectors[" + texts.size() + "] has no string 'text'");
      }
      texts.add(text.getAsString());
    }
    return texts;
  }
}
