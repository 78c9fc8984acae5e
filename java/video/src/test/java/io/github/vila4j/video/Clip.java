// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.video;

import io.github.vila4j.VilaImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.bytedeco.ffmpeg.ffmpeg;
import org.bytedeco.javacpp.Loader;

/** Small video files whose frames tell their numbers by their colour, written by the program {@code ffmpeg} of the same jar. */
final class Clip {
  static final int WIDTH = 34;
  static final int HEIGHT = 18;

  private Clip() {}

  /** The grey of frame {@code number}, far enough from its neighbours' for lossy codecs. */
  static int grey(int number) {
    return 20 + 7 * number;
  }

  /** The pixels of frame {@code number}: grey, but for a red first row. */
  static byte[] pixels(int number) {
    byte[] rgb = new byte[3 * WIDTH * HEIGHT];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) (i < 3 * WIDTH ? (i % 3 == 0 ? 200 : 0) : grey(number));
    }
    return rgb;
  }

  /** Encodes {@code count} frames at 25 a second. */
  static Path write(Path file, int count, String... options) throws IOException, InterruptedException {
    ByteArrayOutputStream raw = new ByteArrayOutputStream();
    for (int i = 0; i < count; i++) {
      raw.write(pixels(i));
    }
    Path input = file.resolveSibling(file.getFileName() + ".rgb");
    Files.write(input, raw.toByteArray());
    List<String> arguments = new ArrayList<>(List.of("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", WIDTH + "x" + HEIGHT));
    arguments.addAll(List.of("-r", "25", "-i", input.toString()));
    arguments.addAll(List.of(options));
    arguments.add(file.toString());
    run(arguments);
    return file;
  }

  /** Runs {@code ffmpeg}. */
  static void run(List<String> arguments) throws IOException, InterruptedException {
    String program = Loader.load(ffmpeg.class);
    List<String> command = new ArrayList<>(List.of(program, "-nostdin", "-loglevel", "error", "-y"));
    command.addAll(arguments);
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    Map<String, String> environment = builder.environment();
    environment.put("LD_LIBRARY_PATH", Path.of(program).getParent().toString());
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes());
    if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
      throw new IOException(String.join(" ", command) + ": " + output);
    }
  }

  /** Which frame of a clip this is, by its middle. */
  static int number(VilaImage frame) {
    int grey = frame.rgb()[3 * (frame.height() / 2 * frame.width() + frame.width() / 2)] & 255;
    return grey == 0 ? -1 : Math.round((grey - 20) / 7f);
  }
}
