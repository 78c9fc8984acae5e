// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** JSON in and out. */
final class Json {
  private static final Gson GSON = new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create();

  private Json() {}

  static JsonObject parse(String text) {
    return JsonParser.parseString(text).getAsJsonObject();
  }

  static <T> T read(Path file, Class<T> type) throws IOException {
    try {
      return GSON.fromJson(Files.readString(file), type);
    } catch (JsonParseException e) {
      throw new IOException(file + ": " + e.getMessage() + ", expected JSON", e);
    }
  }

  static <T> T of(JsonObject tree, Class<T> type) {
    return GSON.fromJson(tree, type);
  }

  static JsonObject tree(Object value) {
    return GSON.toJsonTree(value).getAsJsonObject();
  }

  static void write(Path file, Object value) throws IOException {
    Files.writeString(file, GSON.toJson(value) + "\n");
  }
}
