// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Videos from lists and folders, and as parts of prompts. Video files are tested where their decoder is. */
class VideoTest {
  private static final VideoSampling OLD = new VideoSampling(FrameRule.TRUNCATED, 4, 0);
  private static final VideoSampling NVILA = new VideoSampling(FrameRule.ROUNDED, 4, 2);

  @TempDir private Path folder;

  private static VilaImage frame(int number) {
    byte[] rgb = new byte[3 * 4 * 2];
    Arrays.fill(rgb, (byte) (number + 1));
    return VilaImage.ofRgb(rgb, 4, 2);
  }

  private static Video list(int count) {
    return Video.of(IntStream.range(0, count).mapToObj(VideoTest::frame).toList());
  }

  private static List<Integer> numbers(Video video, VideoSampling sampling) {
    return video.frames(sampling).stream().map(image -> image.rgb()[0] - 1).toList();
  }

  @Test
  void listsAreSampledByTheRule() {
    assertEquals(List.of(0, 2, 5, 8), numbers(list(10), OLD));
    assertEquals(List.of(0, 3, 6, 9), numbers(list(10), NVILA));
    assertEquals(List.of(0, 1, 2, 3), numbers(list(4), OLD));
    assertEquals(List.of(-1, -1, 0, 1), numbers(list(2), OLD));
    assertEquals(List.of(0, 0, 1, 1), numbers(list(2), NVILA));
    assertEquals(List.of(0, 0, 0, 0), numbers(list(1), NVILA));
    assertEquals(List.of(0, 8), numbers(list(10).withFrames(2), OLD));
    assertArrayEquals(new int[] {-1, -1, 0, 1}, OLD.frameIndices(2, 30));
    assertArrayEquals(new int[] {0, 15, 30, 45}, NVILA.frameIndices(300, 30));
  }

  @Test
  void blackFramesHaveTheSizeOfTheLast() {
    Video video = Video.of(List.of(frame(0), VilaImage.ofRgb(new byte[3 * 5 * 7], 5, 7)));
    VilaImage black = video.frames(OLD).get(0);
    assertEquals("image 5x7", black.toString());
    assertArrayEquals(new byte[3 * 5 * 7], black.rgb());
  }

  @Test
  void framesAreTakenOnce() {
    Video video = list(9);
    assertSame(video.frames(OLD), video.frames(OLD));
  }

  @Test
  void foldersAreReadInTheOrderOfTheirNames() throws IOException {
    List<String> names = List.of("10.png", "2.png", "A.png", "a.png", "\uE000.png", "\uD83D\uDE00.png");
    List<String> shuffled = new ArrayList<>(names);
    Collections.reverse(shuffled);
    for (String name : shuffled) {
      write(folder.resolve(name), names.indexOf(name));
    }
    Files.writeString(folder.resolve(".hidden"), "not an image");
    assertEquals(List.of(0, 1, 2, 3, 4, 5), numbers(Video.of(folder).withFrames(6), NVILA));
    assertEquals(List.of(0, 2, 3, 5), numbers(Video.of(folder), NVILA));
  }

  /** A PNG of frame {@code number}. */
  private static void write(Path file, int number) throws IOException {
    var image = new BufferedImage(4, 2, BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < 8; i++) {
      image.setRGB(i % 4, i / 4, 0x010101 * (number + 1));
    }
    ImageIO.write(image, "png", file.toFile());
  }

  @Test
  void whatCannotBeShownIsNamed() throws IOException {
    assertEquals(
        "list of frames: video: 0 frames, expected 1 to 2147483647",
        assertThrows(InvalidArgumentException.class, () -> list(0).frames(OLD)).getMessage());
    assertEquals(
        "list of frames: video: 1 frame to be shown as 4, expected 2 frames or more (one is an image)",
        assertThrows(InvalidArgumentException.class, () -> list(1).frames(OLD)).getMessage());
    assertEquals(
        "list of frames: video: 0 frames to show, expected 1 to 4096",
        assertThrows(InvalidArgumentException.class, () -> list(9).withFrames(0).frames(OLD)).getMessage());
    assertEquals(
        "list of frames: video: 1001 frames a second to show, expected 0 to 1000",
        assertThrows(InvalidArgumentException.class, () -> list(9).withFps(1001).frames(NVILA)).getMessage());
    assertEquals(
        folder + ": video: 0 frames, expected 1 to 2147483647",
        assertThrows(InvalidArgumentException.class, () -> Video.of(folder).frames(OLD)).getMessage());
    Path missing = folder.resolve("missing");
    assertEquals(missing + ": no such file or folder", assertThrows(NotFoundException.class, () -> Video.of(missing)).getMessage());
    Files.writeString(folder.resolve("a.txt"), "not an image");
    assertThrows(DamagedFileException.class, () -> Video.of(folder).frames(NVILA));
    Path file = Files.writeString(folder.resolve("clip.mp4"), "");
    assertEquals(
        file + ": there is no decoder for video files; add io.github.vila4j:vila4j-video to the class path",
        assertThrows(UnsupportedException.class, () -> Video.of(file).frames(OLD)).getMessage());
  }

  @Test
  void aPromptHasTheFramesOfItsVideos() {
    try (VilaModel model = TestData.load("vila15-llama3-siglip")) {
      VideoSampling own = model.videoSampling();
      assertEquals(new VideoSampling(FrameRule.TRUNCATED, 8, 0), own);
      Video video = list(10).withFrames(2);
      List<VilaImage> frames = video.frames(own);
      Prompt images = Prompt.of("<image>\n<image>\nA <video>?", frames.get(0), frames.get(1));
      Prompt direct = Prompt.of("A <video>?", video);
      assertEquals(1, direct.videoCount());
      assertEquals(0, direct.imageCount());
      assertEquals(model.tokenize(images).text(), model.tokenize(direct).text());
      assertArrayEquals(model.tokenize(images).inputIds(), model.tokenize(direct).inputIds());
      try (VilaSession one = model.newSession();
          VilaSession other = model.newSession()) {
        one.prefill(images);
        other.prefill(direct);
        assertArrayEquals(one.logits(), other.logits());
      }

      Prompt two = Prompt.of("Which?", video, list(3).withFrames(3));
      assertEquals(5, model.tokenize(two).imageSpans().size());
      Prompt mixed =
          Prompt.builder().marked(Role.USER, "like <image>?", video).images(List.of(frame(7))).build();
      String text = model.tokenize(mixed).text();
      assertEquals("<image>\n<image>\nlike <image>?", text.substring(text.indexOf("<image>"), text.lastIndexOf("<image>") + 8));
      assertEquals(model.tokenize(mixed).text(), model.tokenize(mixed.toBuilder().build()).text());
    }
    assertEquals(0, Vila.liveObjectCount(), () -> Vila.liveObjects().toString());
  }
}
