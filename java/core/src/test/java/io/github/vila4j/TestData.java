// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The reference data under tests/data. */
final class TestData {
  static final Path ROOT = Path.of(System.getProperty("vila.test.data"));
  static final List<String> CASES = List.of("vila10-clip-linear", "vila15-llama3-siglip");

  private TestData() {}

  static Path model(String name) {
    return ROOT.resolve("cases").resolve(name).resolve("model");
  }

  static VilaModel load(String name) {
    return Vila.load(model(name), LoadOptions.builder().precision("fp32").build(), null);
  }

  static JsonObject json(Path file) {
    try {
      return JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static int[] ints(JsonElement array) {
    return array.getAsJsonArray().asList().stream().mapToInt(JsonElement::getAsInt).toArray();
  }

  /** A NumPy array: its shape, and its values as floats or as unsigned bytes. */
  record Npy(int[] shape, float[] floats, byte[] bytes) {}

  private static final Pattern HEADER =
      Pattern.compile("'descr': '([^']+)', 'fortran_order': (True|False), 'shape': \\(([^)]*)\\)");

  static Npy npy(Path file) {
    try {
      ByteBuffer data = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
      int length = data.getShort(8);
      Matcher header = HEADER.matcher(new String(data.array(), 10, length, StandardCharsets.ISO_8859_1));
      if (!header.find()) {
        throw new IllegalArgumentException(file + ": not a NumPy header");
      }
      List<Integer> shape = new ArrayList<>();
      for (String part : header.group(3).split(",")) {
        if (!part.isBlank()) {
          shape.add(Integer.valueOf(part.strip()));
        }
      }
      int count = shape.stream().reduce(1, (a, b) -> a * b);
      data.position(10 + length);
      int[] sizes = shape.stream().mapToInt(Integer::intValue).toArray();
      if (header.group(1).equals("<f4")) {
        float[] floats = new float[count];
        data.asFloatBuffer().get(floats);
        return new Npy(sizes, header.group(2).equals("True") ? fromFortranOrder(sizes, floats) : floats, null);
      }
      byte[] bytes = new byte[count];
      data.get(bytes);
      return new Npy(sizes, null, bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static float[] fromFortranOrder(int[] shape, float[] values) {
    float[] ordered = new float[values.length];
    int[] index = new int[shape.length];
    for (int at = 0; at < ordered.length; at++) {
      int from = 0;
      for (int d = shape.length - 1; d >= 0; d--) {
        from = from * shape[d] + index[d];
      }
      ordered[at] = values[from];
      for (int d = shape.length - 1; d >= 0 && ++index[d] == shape[d]; d--) {
        index[d] = 0;
      }
    }
    return ordered;
  }

  /** An image of tests/data/images, from its given pixels. */
  static VilaImage image(String file) {
    Npy pixels = npy(ROOT.resolve("images").resolve(file + ".rgb.npy"));
    return VilaImage.ofRgb(pixels.bytes(), pixels.shape()[1], pixels.shape()[0]);
  }

  static double maxAbsDifference(float[] a, float[] b) {
    if (a.length != b.length) {
      return Double.POSITIVE_INFINITY;
    }
    double max = 0;
    for (int i = 0; i < a.length; i++) {
      double difference = Math.abs((double) a[i] - b[i]);
      if (!(difference <= max)) {
        max = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : difference;
      }
    }
    return max;
  }
}
