// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.internal.loader;

import io.github.vila4j.NativeLibraryException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * The folder on disk with the extracted libraries of one natives jar. It is filled under a name of its own and renamed when
 * complete, so any number of JVMs may start at once. Where no cache folder can be written, a temporary folder serves this JVM.
 */
final class NativeCache {
  private final NativeIndex index;
  private final Function<String, URL> resources;

  /** {@code resources} gives the place of each library that {@code index} lists, or null. */
  NativeCache(NativeIndex index, Function<String, URL> resources) {
    this.index = index;
    this.resources = resources;
  }

  /** The folder with every library, extracting them where that is not done. Failed places are added to {@code tried}. */
  Path folder(List<String> tried) {
    Path root = root();
    try {
      Path target = root.resolve(index.key());
      if (!index.isComplete(target)) {
        Files.createDirectories(root);
        publish(extract(root.resolve(".new-" + UUID.randomUUID())), target);
      }
      return target;
    } catch (IOException | SecurityException e) {
      tried.add(root + ": " + describe(e));
    }
    try {
      Path temporary = Files.createTempDirectory("vila4j-natives-");
      temporary.toFile().deleteOnExit();
      extract(temporary);
      index.entries().forEach(entry -> temporary.resolve(entry.name()).toFile().deleteOnExit());
      return temporary;
    } catch (IOException | SecurityException e) {
      tried.add(System.getProperty("java.io.tmpdir") + ": " + describe(e));
      throw new NativeLibraryException(
          tried, "set -D" + NativeLibrary.CACHE_PROPERTY + " to a folder that can be written", e);
    }
  }

  private static Path root() {
    String property = System.getProperty(NativeLibrary.CACHE_PROPERTY);
    if (property != null && !property.isEmpty()) {
      return Path.of(property).toAbsolutePath().resolve("natives");
    }
    String own = System.getenv("VILA_CACHE");
    if (own != null && !own.isEmpty()) {
      return Path.of(own).toAbsolutePath().resolve("natives");
    }
    String xdg = System.getenv("XDG_CACHE_HOME");
    Path base = xdg != null && !xdg.isEmpty() ? Path.of(xdg) : Path.of(System.getProperty("user.home"), ".cache");
    return base.toAbsolutePath().resolve("vila4j").resolve("natives");
  }

  /** Writes every library into the new folder {@code into}; leaves nothing behind when that fails. */
  private Path extract(Path into) throws IOException {
    try {
      Files.createDirectories(into);
      for (NativeIndex.Entry entry : index.entries()) {
        URL url = resources.apply(entry.name());
        if (url == null) {
          throw new IOException("the natives jar lacks " + entry.name());
        }
        Path file = into.resolve(entry.name());
        try (InputStream in = url.openStream()) {
          Files.copy(in, file, StandardCopyOption.REPLACE_EXISTING);
        }
        if (Files.size(file) != entry.size()) {
          throw new IOException(
              "the natives jar is damaged: " + entry.name() + " has " + Files.size(file) + " bytes, expected " + entry.size());
        }
      }
      return into;
    } catch (IOException | RuntimeException e) {
      delete(into);
      throw e;
    }
  }

  /** Renames {@code fresh} to {@code target}; another JVM's complete folder there is as good, an incomplete one makes room. */
  private void publish(Path fresh, Path target) throws IOException {
    for (int attempt = 0; ; attempt++) {
      try {
        Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE);
        return;
      } catch (AtomicMoveNotSupportedException e) {
        delete(fresh);
        throw e;
      } catch (FileSystemException e) {
        if (index.isComplete(target)) {
          delete(fresh);
          return;
        }
        if (attempt > 0 || !Files.isDirectory(target)) {
          delete(fresh);
          throw e;
        }
        Path broken = target.resolveSibling(".old-" + UUID.randomUUID());
        Files.move(target, broken, StandardCopyOption.ATOMIC_MOVE);
        delete(broken);
      }
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.deleteIfExists(file);
      }
      Files.deleteIfExists(folder);
    } catch (IOException e) {
      // What is left has a name that no loader looks at.
    }
  }

  private static String describe(Exception e) {
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getClass().getSimpleName() + ": " + e.getMessage();
  }
}
