// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.github.vila4j.shapes.Items;
import io.github.vila4j.shapes.Split;
import io.github.vila4j.shapes.Task;
import io.github.vila4j.shapes.Turn;
import io.github.vila4j.shapes.text.BytePairs;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The tokenizer of the trained models, and its files in the form of Hugging Face's tokenizers. */
final class TokenizerFiles {
  static final String BEGIN = "<|im_start|>";
  static final String END = "<|im_end|>";

  private static final int ITEMS_PER_TASK = 300;
  private static final int MOST_MERGES = 700;
  private static final int LEAST_OCCURRENCES = 3;

  private TokenizerFiles() {}

  /** Learns the tokenizer from texts of the training part of the world; always the same one. */
  static BytePairs learn() {
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < LEAST_OCCURRENCES; i++) {
      texts.add("system\nAnswer the questions.");
    }
    for (Task task : Task.values()) {
      for (int i = 0; i < ITEMS_PER_TASK; i++) {
        for (Turn turn : Items.of(Split.TRAIN, task, i).inWords().turns()) {
          texts.add("user\n" + turn.question());
          texts.add("assistant\n" + turn.answer());
        }
        for (Turn turn : Items.of(Split.TRAIN, task, i).turns()) {
          texts.add(turn.question().replace("<image>", ""));
        }
      }
    }
    return BytePairs.learn(texts, MOST_MERGES, LEAST_OCCURRENCES, List.of(BEGIN, END));
  }

  /** Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json. */
  static void write(Path folder, BytePairs pairs) throws IOException {
    JsonObject file = new JsonObject();
    file.addProperty("version", "1.0");
    JsonArray added = new JsonArray();
    JsonObject decoderOfAdded = new JsonObject();
    for (String special : pairs.specials()) {
      JsonObject token = new JsonObject();
      token.addProperty("content", special);
      for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized")) {
        token.addProperty(flag, false);
      }
      token.addProperty("special", true);
      decoderOfAdded.add(Integer.toString(pairs.id(special)), token.deepCopy());
      token.addProperty("id", pairs.id(special));
      added.add(token);
    }
    file.add("added_tokens", added);
    JsonObject split = new JsonObject();
    split.addProperty("type", "Split");
    JsonObject pattern = new JsonObject();
    pattern.addProperty("Regex", BytePairs.PATTERN);
    split.add("pattern", pattern);
    split.addProperty("behavior", "Isolated");
    split.addProperty("invert", false);
    JsonArray steps = new JsonArray();
    steps.add(split);
    steps.add(byteLevel());
    JsonObject preTokenizer = new JsonObject();
    preTokenizer.addProperty("type", "Sequence");
    preTokenizer.add("pretokenizers", steps);
    file.add("pre_tokenizer", preTokenizer);
    file.add("decoder", byteLevel());
    JsonObject model = new JsonObject();
    model.addProperty("type", "BPE");
    model.addProperty("fuse_unk", false);
    model.addProperty("byte_fallback", false);
    JsonObject vocabulary = new JsonObject();
    for (String token : pairs.tokens()) {
      if (!pairs.specials().contains(token)) {
        vocabulary.addProperty(token, pairs.id(token));
      }
    }
    model.add("vocab", vocabulary);
    JsonArray merges = new JsonArray();
    pairs.merges().forEach(merges::add);
    model.add("merges", merges);
    file.add("model", model);
    Json.write(folder.resolve("tokenizer.json"), file);

    JsonObject config = new JsonObject();
    config.addProperty("tokenizer_class", "PreTrainedTokenizerFast");
    config.add("added_tokens_decoder", decoderOfAdded);
    config.addProperty("eos_token", END);
    config.addProperty("pad_token", END);
    config.addProperty("model_max_length", ModelShape.MAX_POSITIONS);
    config.addProperty("clean_up_tokenization_spaces", false);
    Json.write(folder.resolve("tokenizer_config.json"), config);

    JsonObject specials = new JsonObject();
    specials.addProperty("eos_token", END);
    specials.addProperty("pad_token", END);
    Json.write(folder.resolve("special_tokens_map.json"), specials);
  }

  private static JsonObject byteLevel() {
    JsonObject step = new JsonObject();
    step.addProperty("type", "ByteLevel");
    step.addProperty("add_prefix_space", false);
    step.addProperty("trim_offsets", true);
    step.addProperty("use_regex", false);
    return step;
  }

  /** The tokenizer of a folder that {@link #write} filled. */
  static BytePairs read(Path folder) throws IOException {
    JsonObject file = Json.read(folder.resolve("tokenizer.json"), JsonObject.class);
    List<String> merges = new ArrayList<>();
    for (JsonElement merge : file.getAsJsonObject("model").getAsJsonArray("merges")) {
      merges.add(merge.getAsString());
    }
    return new BytePairs(merges, List.of(BEGIN, END));
  }
}
