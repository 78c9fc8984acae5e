// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Files, with failures in plain words. */
final class Disk {
  private Disk() {}

  static byte[] read(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw failure(file, e);
    } catch (OutOfMemoryError e) {
      throw new FailureException(file + ": too large to be read");
    }
  }

  /** Writes a file, making the folders above it. */
  static void write(Path file, byte[]... parts) {
    try {
      if (file.toAbsolutePath().getParent() != null) {
        Files.createDirectories(file.toAbsolutePath().getParent());
      }
      try (var out = Files.newOutputStream(file)) {
        for (byte[] part : parts) {
          out.write(part);
        }
      }
    } catch (IOException e) {
      throw failure(file, e);
    }
  }

  static FailureException failure(Path file, IOException e) {
    if (e instanceof NoSuchFileException) {
      return new FailureException(file + ": no such file or folder", e);
    }
    if (e instanceof AccessDeniedException) {
      return new FailureException(file + ": permission denied", e);
    }
    String message = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    return new FailureException(message.contains(file.toString()) ? message : file + ": " + message, e);
  }
}
