// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * A video as a part of a prompt. Which of its frames a model looks at is the model's business ({@link VilaModel#videoSampling()}),
 * so they are taken from it when the prompt is used; the frames of the last use are kept for the next. Thread-safe.
 *
 * <pre>{@code
 * Prompt prompt = Prompt.of("What happens?", Video.of(Path.of("clip.mp4")));
 * }</pre>
 */
public final class Video implements PromptPart {
  private final FrameSource source;
  /** Replaces the model's own number of frames, or null. */
  private final Integer frames;
  /** Replaces the model's own frames per second, or null. */
  private final Double fps;

  private VideoSampling keptSampling;
  private List<VilaImage> keptFrames;

  private Video(FrameSource source, Integer frames, Double fps) {
    this.source = source;
    this.frames = frames;
    this.fps = fps;
  }

  /**
   * A video whose frames are there already.
   *
   * @param frames all of them, in order
   * @return the video
   */
  public static Video of(List<VilaImage> frames) {
    return new Video(new FrameList(List.copyOf(frames)), null, null);
  }

  /**
   * A video file, or a folder whose files are the frames, in the order of their names (compared letter by letter: "10.png" comes
   * before "9.png"). Hidden files are left out. Nothing is read before the frames are needed.
   *
   * <p>Files need a {@link VideoDecoder}: add {@code io.github.vila4j:vila4j-video} to the class path.
   *
   * @param path the file or folder
   * @return the video
   * @throws NotFoundException when there is no such file or folder
   */
  public static Video of(Path path) {
    if (!Files.exists(path)) {
      throw new NotFoundException(path + ": no such file or folder");
    }
    return new Video(Files.isDirectory(path) ? new FrameFolder(path) : new FrameFile(path), null, null);
  }

  /**
   * The same video, of which models show another number of frames than their own.
   *
   * @param count 1 to 4096
   * @return a new video
   */
  public Video withFrames(int count) {
    return new Video(source, count, fps);
  }

  /**
   * The same video, of which NVILA models show so many frames a second, beginning with the first and at most as many as they show
   * at all. Other models, and videos without a frame rate (lists and folders), spread their frames over the whole video.
   *
   * @param perSecond 0 (spread them over the whole video) to 1000
   * @return a new video
   */
  public Video withFps(double perSecond) {
    return new Video(source, frames, perSecond);
  }

  /**
   * The frames that a model with this sampling looks at, {@link #withFrames} and {@link #withFps} applied.
   *
   * @param sampling which frames
   * @return the frames in order, black ones included
   * @throws InvalidArgumentException when there are too few frames, or numbers are out of bounds
   * @throws NotFoundException when the file is gone
   * @throws DamagedFileException when a file cannot be decoded
   * @throws UnsupportedException when a video file needs a {@link VideoDecoder} and there is none
   */
  public synchronized List<VilaImage> frames(VideoSampling sampling) {
    Objects.requireNonNull(sampling, "sampling");
    VideoSampling own =
        new VideoSampling(sampling.rule(), frames == null ? sampling.frames() : frames, fps == null ? sampling.fps() : fps);
    if (!own.equals(keptSampling)) {
      keptFrames = withBlack(source.take(own));
      keptSampling = own;
    }
    return keptFrames;
  }

  /** The frames, where null stands for a black one of the size of the last. */
  private static List<VilaImage> withBlack(List<VilaImage> frames) {
    VilaImage last = frames.get(frames.size() - 1);
    VilaImage black = null;
    List<VilaImage> list = new ArrayList<>();
    for (VilaImage frame : frames) {
      if (frame == null && black == null) {
        black = VilaImage.ofRgb(new byte[3 * last.width() * last.height()], last.width(), last.height());
      }
      list.add(frame == null ? black : frame);
    }
    return List.copyOf(list);
  }

  /** Where it comes from, for people. */
  @Override
  public String toString() {
    return "video " + source;
  }
}
