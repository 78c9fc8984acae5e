// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import com.google.gson.JsonParser;
import io.github.vila4j.Vila;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Questions about videos. */
class VideoTest {
  @TempDir Path temp;

  @AfterEach
  void nothingIsLeftOpen() {
    assertEquals(0, Vila.liveObjectCount(), () -> Vila.liveObjects().toString());
  }

  private static int usage(String field, String... more) {
    String[] args = new String[more.length + 7];
    String[] first = {"ask", "--model", Run.SIGLIP, "--json", "--max-tokens", "1", "What happens?"};
    System.arraycopy(first, 0, args, 0, 7);
    System.arraycopy(more, 0, args, 7, more.length);
    return JsonParser.parseString(Run.ok(args)).getAsJsonObject().getAsJsonObject("usage").get(field).getAsInt();
  }

  private Path folder() throws IOException {
    Path folder = Files.createDirectory(temp.resolve("frames"));
    for (int i = 0; i < 5; i++) {
      Files.copy(Path.of(Run.image(i % 2 == 0 ? "photo.png" : "wide.png")), folder.resolve("frame" + i + ".png"));
    }
    return folder;
  }

  @Test
  void aFolderOfFrames() throws IOException {
    String folder = folder().toString();
    int one = usage("image_tokens", "--image", Run.image("photo.png"));
    assertNotEquals(0, one);
    assertEquals(8 * one, usage("image_tokens", "--video", folder));
    assertEquals(3 * one, usage("image_tokens", "--video", folder, "--frames", "3"));
    String[] both = {"--video", folder, "--video", folder, "--frames", "3", "--image", Run.image("wide.png")};
    assertEquals(7 * one, usage("image_tokens", both));
  }

  /** An AVI file of uncompressed 8x4 frames, whose {@code count} stands in its header. */
  private static byte[] avi(int count) throws IOException {
    byte[] header = new byte[56];
    ByteBuffer main = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
    main.putInt(0, 40000).putInt(16, count).putInt(24, 1).putInt(32, 8).putInt(36, 4);
    ByteBuffer stream = ByteBuffer.allocate(56).order(ByteOrder.LITTLE_ENDIAN);
    stream.put("vidsDIB ".getBytes(StandardCharsets.US_ASCII)).putInt(20, 1).putInt(24, 25).putInt(32, count).putInt(40, -1);
    ByteBuffer format = ByteBuffer.allocate(40).order(ByteOrder.LITTLE_ENDIAN);
    format.putInt(0, 40).putInt(4, 8).putInt(8, 4).putShort(12, (short) 1).putShort(14, (short) 24).putInt(20, 96);
    byte[] streams = list("strl", chunk("strh", stream.array()), chunk("strf", format.array()));
    byte[][] frames = new byte[count][];
    for (int i = 0; i < count; i++) {
      byte[] pixels = new byte[96];
      Arrays.fill(pixels, (byte) (20 * i));
      frames[i] = chunk("00db", pixels);
    }
    byte[] file = list("AVI ", list("hdrl", chunk("avih", header), streams), list("movi", frames));
    System.arraycopy("RIFF".getBytes(StandardCharsets.US_ASCII), 0, file, 0, 4);
    return file;
  }

  private static byte[] list(String type, byte[]... parts) throws IOException {
    ByteArrayOutputStream content = new ByteArrayOutputStream();
    content.write(type.getBytes(StandardCharsets.US_ASCII));
    for (byte[] part : parts) {
      content.write(part);
    }
    return chunk("LIST", content.toByteArray());
  }

  private static byte[] chunk(String type, byte[] content) {
    ByteBuffer chunk = ByteBuffer.allocate(8 + content.length).order(ByteOrder.LITTLE_ENDIAN);
    return chunk.put(type.getBytes(StandardCharsets.US_ASCII)).putInt(content.length).put(content).array();
  }

  @Test
  void aVideoFile() throws IOException {
    Path file = Files.write(temp.resolve("clip.avi"), avi(10));
    int one = usage("image_tokens", "--image", Run.image("photo.png"));
    assertEquals(8 * one, usage("image_tokens", "--video", file.toString()));
    assertEquals(2 * one, usage("image_tokens", "--video", file.toString(), "--frames", "2"));
  }

  @Test
  void whatIsWrongIsNamed() throws IOException {
    String missing = temp.resolve("missing.mp4").toString();
    Run.fails(1, missing + ": no such file or folder", "ask", "--model", Run.SIGLIP, "--video", missing, "x");
    Path text = Files.writeString(temp.resolve("notes.mp4"), "not a video");
    String reason = ": not a video file (Invalid data found when processing input)";
    Run.fails(1, text + reason, "ask", "--model", Run.SIGLIP, "--video", text.toString(), "x");
    Run.fails(2, "--frames needs a video; give it with --video PATH", "ask", "--model", Run.SIGLIP, "--frames", "2", "x");
    String folder = folder().toString();
    String zero = folder + ": video: 0 frames to show, expected 1 to 4096";
    Run.fails(2, zero, "ask", "--model", Run.SIGLIP, "--video", folder, "--frames", "0", "x");
    String marks = "place_images: 0 images for 1 <image> marks, expected as many images as marks";
    Run.fails(2, marks, "ask", "--model", Run.SIGLIP, "--video", folder, "Like <image>?");
  }
}
