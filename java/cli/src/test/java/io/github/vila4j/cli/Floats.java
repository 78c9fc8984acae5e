// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** A float32 array of a NumPy file, in C order whatever the file's is. */
record Floats(List<Integer> shape, float[] values) {
  static Floats read(Path file) throws IOException {
    ByteBuffer data = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    int start = 10 + data.getShort(8);
    String header = new String(data.array(), 10, start - 10, StandardCharsets.ISO_8859_1);
    String sizes = header.substring(header.indexOf('(') + 1, header.indexOf(')'));
    List<Integer> shape =
        Arrays.stream(sizes.split(",")).map(String::strip).filter(size -> !size.isEmpty()).map(Integer::valueOf).toList();
    float[] values = new float[shape.stream().reduce(1, (a, b) -> a * b)];
    data.position(start).slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
    return new Floats(shape, header.contains("'fortran_order': True") ? fromFortranOrder(shape, values) : values);
  }

  private static float[] fromFortranOrder(List<Integer> shape, float[] values) {
    float[] ordered = new float[values.length];
    int[] index = new int[shape.size()];
    for (int at = 0; at < ordered.length; at++) {
      int from = 0;
      for (int d = index.length - 1; d >= 0; d--) {
        from = from * shape.get(d) + index[d];
      }
      ordered[at] = values[from];
      for (int d = index.length - 1; d >= 0 && ++index[d] == shape.get(d); d--) {
        index[d] = 0;
      }
    }
    return ordered;
  }
}
