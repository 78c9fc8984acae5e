// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.StringVector;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.BytePointer;

/** Text to native memory and back, as UTF-8 with its length: NUL characters survive. */
final class Text {
  private Text() {}

  /** The text as native bytes, NUL-terminated; the caller closes it. {@code what} names the text in messages. */
  static BytePointer toNative(String what, String text) {
    return toNative(utf8(what, text));
  }

  private static BytePointer toNative(byte[] bytes) {
    BytePointer pointer = new BytePointer(bytes.length + 1L);
    pointer.put(bytes, 0, bytes.length).put(bytes.length, (byte) 0);
    return pointer.limit(bytes.length);
  }

  /** UTF-8 of {@code text}; throws {@link InvalidArgumentException} on an unpaired surrogate. */
  static byte[] utf8(String what, String text) {
    try {
      ByteBuffer buffer = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
      byte[] bytes = new byte[buffer.remaining()];
      buffer.get(bytes);
      return bytes;
    } catch (CharacterCodingException e) {
      int at = unpairedSurrogate(text);
      throw new InvalidArgumentException(
          String.format("%s: unpaired surrogate U+%04X at index %d; expected well-formed UTF-16", what, (int) text.charAt(at), at));
    }
  }

  private static int unpairedSurrogate(String text) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
        i++;
      } else if (Character.isSurrogate(c)) {
        return i;
      }
    }
    throw new IllegalStateException("text has no unpaired surrogate");
  }

  /** The text of native bytes, which stay the caller's; null stands for the empty text. */
  static String peek(BytePointer bytes) {
    if (bytes == null || bytes.isNull()) {
      return "";
    }
    byte[] copy = new byte[Math.toIntExact(bytes.limit() - bytes.position())];
    bytes.get(copy);
    return new String(copy, StandardCharsets.UTF_8);
  }

  /** The text of native bytes, which are freed. */
  static String take(BytePointer bytes) {
    try (bytes) {
      return peek(bytes);
    }
  }

  static List<String> list(StringVector vector) {
    List<String> list = new ArrayList<>();
    for (long i = 0; i < vector.size(); i++) {
      list.add(take(vector.get(i)));
    }
    return List.copyOf(list);
  }

  /** Fills a native vector. */
  static void fill(StringVector vector, String what, List<String> texts) {
    vector.resize(texts.size());
    for (int i = 0; i < texts.size(); i++) {
      try (BytePointer text = toNative(what, texts.get(i))) {
        vector.put(i, text);
      }
    }
  }
}
