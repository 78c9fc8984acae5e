// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** A folder of images: everything in it that is not hidden, by code points of the names, as VILA's own code sorts it. */
record FrameFolder(Path folder) implements FrameSource {
  private static final Comparator<Path> BY_NAME =
      Comparator.comparing(path -> path.getFileName().toString().codePoints().toArray(), Arrays::compare);

  @Override
  public List<VilaImage> take(VideoSampling sampling) {
    List<Path> files = files();
    return FrameSource.pick(FrameSource.indices(this, sampling, files.size(), 0), index -> VilaImage.of(files.get(index)));
  }

  private List<Path> files() {
    List<Path> files = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
      for (Path entry : entries) {
        if (!entry.getFileName().toString().startsWith(".")) {
          files.add(entry);
        }
      }
    } catch (NoSuchFileException e) {
      throw new NotFoundException(folder + ": no such folder");
    } catch (IOException | DirectoryIteratorException e) {
      throw new FileAccessException(folder + ": " + e.getMessage());
    }
    files.sort(BY_NAME);
    return files;
  }

  @Override
  public String toString() {
    return folder.toString();
  }
}
