// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import io.github.vila4j.Completion;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** JSON in and out. */
final class Json {
  private static final Gson PRETTY = new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create();
  private static final Gson COMPACT = new GsonBuilder().disableHtmlEscaping().create();

  private Json() {}

  static String pretty(Object value) {
    return PRETTY.toJson(value);
  }

  /** On one line. */
  static String compact(Object value) {
    return COMPACT.toJson(value);
  }

  static JsonElement tree(Object value) {
    return COMPACT.toJsonTree(value);
  }

  static void write(Path file, Object value) {
    Disk.write(file, (PRETTY.toJson(value) + "\n").getBytes(StandardCharsets.UTF_8));
  }

  static JsonElement read(Path file) {
    try (Reader reader = Files.newBufferedReader(file)) {
      return JsonParser.parseReader(reader);
    } catch (JsonParseException e) {
      throw new FailureException(file + ": not JSON: " + e.getMessage(), e);
    } catch (IOException e) {
      throw Disk.failure(file, e);
    } catch (StackOverflowError e) {
      throw new FailureException(file + ": nested too deeply");
    }
  }

  /** A completion as the commands print it. */
  static JsonObject of(Completion completion) {
    JsonObject object = new JsonObject();
    object.addProperty("text", completion.text());
    object.add("ids", COMPACT.toJsonTree(completion.ids()));
    object.addProperty("finish_reason", completion.finishReason().name().toLowerCase(Locale.ROOT));
    JsonObject usage = new JsonObject();
    usage.addProperty("prompt_tokens", completion.usage().promptTokens());
    usage.addProperty("image_tokens", completion.usage().imageTokens());
    usage.addProperty("cached_tokens", completion.usage().cachedTokens());
    usage.addProperty("completion_tokens", completion.usage().completionTokens());
    object.add("usage", usage);
    JsonObject timings = new JsonObject();
    timings.addProperty("image_seconds", completion.timings().imageSeconds());
    timings.addProperty("prefill_seconds", completion.timings().prefillSeconds());
    timings.addProperty("decode_seconds", completion.timings().decodeSeconds());
    object.add("timings", timings);
    object.addProperty("seed", completion.seed());
    return object;
  }
}
