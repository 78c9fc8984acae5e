// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** Files of tensors: eight bytes of the header's length, the header as JSON, the values. */
final class Safetensors {
  private static final int ALIGNMENT = 8;

  private Safetensors() {}

  /** Values with their sizes. */
  record Values(long[] shape, float[] values) {}

  /** Writes tensors in bfloat16 (rounded to nearest, ties to even) or float32. */
  static void write(Path file, Map<String, Values> tensors, boolean bfloat16, Map<String, String> metadata) throws IOException {
    JsonObject header = new JsonObject();
    JsonObject about = new JsonObject();
    metadata.forEach(about::addProperty);
    header.add("__metadata__", about);
    int width = bfloat16 ? 2 : 4;
    long offset = 0;
    for (Map.Entry<String, Values> tensor : tensors.entrySet()) {
      JsonObject info = new JsonObject();
      info.addProperty("dtype", bfloat16 ? "BF16" : "F32");
      JsonArray shape = new JsonArray();
      Arrays.stream(tensor.getValue().shape).forEach(shape::add);
      info.add("shape", shape);
      JsonArray offsets = new JsonArray();
      offsets.add(offset);
      offset += (long) width * tensor.getValue().values.length;
      offsets.add(offset);
      info.add("data_offsets", offsets);
      header.add(tensor.getKey(), info);
    }
    byte[] text = header.toString().getBytes(StandardCharsets.UTF_8);
    int padded = (text.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    ByteBuffer out = ByteBuffer.allocate(Math.toIntExact(8 + padded + offset)).order(ByteOrder.LITTLE_ENDIAN);
    out.putLong(padded).put(text);
    while (out.position() < 8 + padded) {
      out.put((byte) ' ');
    }
    for (Values tensor : tensors.values()) {
      for (float value : tensor.values) {
        if (bfloat16) {
          out.putShort((short) Weights.bfloat16(value));
        } else {
          out.putFloat(value);
        }
      }
    }
    Files.write(file, out.array());
  }

  /** What was written beside the tensors. */
  static JsonObject metadata(Path file) throws IOException {
    try (SeekableByteChannel channel = Files.newByteChannel(file)) {
      ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
      channel.read(length);
      ByteBuffer header = ByteBuffer.allocate(Math.toIntExact(length.getLong(0)));
      channel.read(header);
      return Json.parse(new String(header.array(), StandardCharsets.UTF_8)).getAsJsonObject("__metadata__");
    }
  }

  /** The tensors of a file of float32 or bfloat16 values. */
  static Map<String, Values> read(Path file) throws IOException {
    ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    byte[] text = new byte[Math.toIntExact(in.getLong())];
    in.get(text);
    int base = in.position();
    JsonObject header = Json.parse(new String(text, StandardCharsets.UTF_8));
    Map<String, Values> tensors = new LinkedHashMap<>();
    for (String name : header.keySet()) {
      if (!name.equals("__metadata__")) {
        JsonObject info = header.getAsJsonObject(name);
        String type = info.get("dtype").getAsString();
        if (!type.equals("F32") && !type.equals("BF16")) {
          throw new IOException(file + ": " + name + " is " + type + ", expected F32 or BF16");
        }
        long[] shape = new long[info.getAsJsonArray("shape").size()];
        for (int i = 0; i < shape.length; i++) {
          shape[i] = info.getAsJsonArray("shape").get(i).getAsLong();
        }
        int from = base + info.getAsJsonArray("data_offsets").get(0).getAsInt();
        int to = base + info.getAsJsonArray("data_offsets").get(1).getAsInt();
        long bytes = Arrays.stream(shape).reduce(type.equals("F32") ? 4 : 2, (a, b) -> a * b);
        if (to - from != bytes || from < base || to > in.capacity()) {
          throw new IOException(
              file + ": " + name + " lies at " + from + " to " + to + ", expected " + bytes + " bytes of the file's " + in.capacity());
        }
        in.position(from).limit(to);
        tensors.put(name, new Values(shape, type.equals("F32") ? floats(in) : widened(in)));
        in.limit(in.capacity());
      }
    }
    return tensors;
  }

  private static float[] floats(ByteBuffer in) {
    float[] values = new float[in.remaining() / 4];
    in.asFloatBuffer().get(values);
    return values;
  }

  private static float[] widened(ByteBuffer in) {
    float[] values = new float[in.remaining() / 2];
    for (int i = 0; i < values.length; i++) {
      values[i] = Float.intBitsToFloat(in.getShort() << 16);
    }
    return values;
  }
}
