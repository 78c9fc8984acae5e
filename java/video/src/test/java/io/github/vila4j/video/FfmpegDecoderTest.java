// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.video;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vila4j.DamagedFileException;
import io.github.vila4j.FrameRule;
import io.github.vila4j.InvalidArgumentException;
import io.github.vila4j.NotFoundException;
import io.github.vila4j.Video;
import io.github.vila4j.VideoDecoder;
import io.github.vila4j.VideoSampling;
import io.github.vila4j.VilaImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Clips of several codecs and containers, read frame by frame and sampled. */
class FfmpegDecoderTest {
  private static final VideoSampling OLD = new VideoSampling(FrameRule.TRUNCATED, 8, 0);
  private static final VideoSampling NVILA = new VideoSampling(FrameRule.ROUNDED, 8, 0);

  @TempDir private Path folder;

  private static List<Integer> numbers(Path file, VideoSampling sampling) {
    return Video.of(file).frames(sampling).stream().map(Clip::number).toList();
  }

  @Test
  void everyFrameOfALosslessClipExactly() throws Exception {
    Path file = Clip.write(folder.resolve("clip.mkv"), 11, Clip.Kind.LOSSLESS);
    try (VideoDecoder.Reader reader = new FfmpegDecoder().open(file)) {
      assertEquals(25, reader.frameRate(), 1e-9);
      assertEquals(11, reader.frameCount());
      for (int i = 0; i < 11; i++) {
        if (i % 3 == 1) {
          assertTrue(reader.skip());
          continue;
        }
        VilaImage frame = reader.read().orElseThrow();
        assertEquals(Clip.WIDTH, frame.width());
        assertEquals(Clip.HEIGHT, frame.height());
        assertArrayEquals(Clip.pixels(i), frame.rgb(), "frame " + i);
      }
      assertFalse(reader.skip());
      assertTrue(reader.read().isEmpty());
    }
  }

  @Test
  void bothRulesOnCodecsThatReorderFrames() throws Exception {
    for (String name : List.of("clip.mp4", "clip.avi", "clip.mkv")) {
      Path file = Clip.write(folder.resolve(name), 30, Clip.Kind.REORDERED);
      assertEquals(List.of(0, 4, 8, 12, 16, 20, 24, 28), numbers(file, OLD), name);
      assertEquals(List.of(0, 4, 8, 12, 17, 21, 25, 29), numbers(file, NVILA), name);
      assertEquals(List.of(0, 5, 10, 15, 20, 25), numbers(file, new VideoSampling(FrameRule.ROUNDED, 8, 5)), name);
    }
  }

  @Test
  void shortClipsGetBlackFramesOrRepeatTheirs() throws Exception {
    Path file = Clip.write(folder.resolve("clip.mkv"), 3, Clip.Kind.LOSSLESS);
    assertEquals(List.of(-1, -1, -1, -1, -1, 0, 1, 2), numbers(file, OLD));
    assertEquals(List.of(0, 0, 1, 1, 1, 1, 2, 2), numbers(file, NVILA));
    VilaImage black = Video.of(file).frames(OLD).get(0);
    assertArrayEquals(new byte[3 * Clip.WIDTH * Clip.HEIGHT], black.rgb());
    assertEquals(Clip.WIDTH, black.width());
  }

  @Test
  void aFileThatEndsEarlyHasTheFramesThatCome() throws Exception {
    Path whole = Clip.write(folder.resolve("whole.avi"), 30, Clip.Kind.RAW);
    byte[] bytes = Files.readAllBytes(whole);
    Path cut = Files.write(folder.resolve("cut.avi"), Arrays.copyOf(bytes, bytes.length / 2));
    long came = 0;
    try (VideoDecoder.Reader reader = new FfmpegDecoder().open(cut)) {
      assertEquals(30, reader.frameCount());
      while (reader.skip()) {
        came++;
      }
    }
    assertTrue(came > 9 && came < 20, "frames: " + came);
    List<Integer> expected = Arrays.stream(NVILA.frameIndices(came, 25)).boxed().toList();
    assertEquals(expected, numbers(cut, NVILA));
  }

  @Test
  void rotationOfTheContainerIsNotApplied() throws Exception {
    Path upright = Clip.write(folder.resolve("upright.mp4"), 9, Clip.Kind.REORDERED);
    Path turned = Clip.write(folder.resolve("turned.mp4"), 9, Clip.Kind.REORDERED, 90);
    assertFalse(Arrays.equals(Files.readAllBytes(upright), Files.readAllBytes(turned)));
    VilaImage frame = Video.of(turned).frames(NVILA).get(0);
    assertEquals(Clip.WIDTH, frame.width());
    assertEquals(Clip.HEIGHT, frame.height());
    assertArrayEquals(Video.of(upright).frames(NVILA).get(0).rgb(), frame.rgb());
  }

  @Test
  void theNumberOfFramesCanBeChosen() throws Exception {
    Path file = Clip.write(folder.resolve("clip.mkv"), 30, Clip.Kind.LOSSLESS);
    Video video = Video.of(file);
    assertEquals(List.of(0, 14, 28), video.withFrames(3).frames(OLD).stream().map(Clip::number).toList());
    assertEquals(List.of(0, 12, 25), video.withFps(2).frames(NVILA).stream().map(Clip::number).toList());
    assertEquals(video.frames(OLD), video.frames(OLD));
  }

  @Test
  void whatIsNoVideoIsNamed() throws Exception {
    Path text = Files.writeString(folder.resolve("notes.mp4"), "not a video at all");
    String message = assertThrows(DamagedFileException.class, () -> numbers(text, OLD)).getMessage();
    assertEquals(text + ": not a video file (Invalid data found when processing input)", message);
    Path sound = Files.write(folder.resolve("sound.wav"), silence());
    String noVideo = assertThrows(DamagedFileException.class, () -> numbers(sound, OLD)).getMessage();
    assertEquals(sound + ": there is no video in it", noVideo);
    Path missing = folder.resolve("missing.mp4");
    assertEquals(missing + ": no such file or folder", assertThrows(NotFoundException.class, () -> Video.of(missing)).getMessage());
    Path one = Clip.write(folder.resolve("one.mkv"), 1, Clip.Kind.LOSSLESS);
    assertEquals(
        one + ": video: 1 frame to be shown as 8, expected 2 frames or more (one is an image)",
        assertThrows(InvalidArgumentException.class, () -> numbers(one, OLD)).getMessage());
    IOException direct = assertThrows(IOException.class, () -> new FfmpegDecoder().open(text));
    assertEquals("not a video file (Invalid data found when processing input)", direct.getMessage());
  }

  /** A WAV file: eight thousand samples of one byte. */
  private static byte[] silence() {
    ByteBuffer wav = ByteBuffer.allocate(8044).order(ByteOrder.LITTLE_ENDIAN);
    wav.put("RIFF".getBytes(StandardCharsets.US_ASCII)).putInt(8036).put("WAVEfmt ".getBytes(StandardCharsets.US_ASCII));
    wav.putInt(16).putShort((short) 1).putShort((short) 1).putInt(8000).putInt(8000).putShort((short) 1).putShort((short) 8);
    return wav.put("data".getBytes(StandardCharsets.US_ASCII)).putInt(8000).array();
  }

  @Test
  void readersThatAreOpenedAndClosedOftenLeaveNothing() throws Exception {
    Path file = Clip.write(folder.resolve("clip.mkv"), 5, Clip.Kind.LOSSLESS);
    long before = openFiles();
    for (int i = 0; i < 50; i++) {
      try (VideoDecoder.Reader reader = new FfmpegDecoder().open(file)) {
        reader.read().orElseThrow();
      }
    }
    assertEquals(before, openFiles());
  }

  /** Files that this process has open. */
  private static long openFiles() throws IOException {
    try (var files = Files.list(Path.of("/proc/self/fd"))) {
      return files.count();
    }
  }
}
