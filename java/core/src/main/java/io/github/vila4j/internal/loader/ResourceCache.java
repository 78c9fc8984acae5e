// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.internal.loader;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * The folder on disk with the extracted files of one jar. It is filled under a name of its own and renamed when complete, so any
 * number of JVMs may start at once. Where no cache folder can be written, a temporary folder serves this JVM. Not thread-safe.
 */
public final class ResourceCache {
  private final String name;
  private final ResourceIndex index;
  private final Function<String, URL> resources;
  private Path temporary;

  /**
   * Describes the folder; nothing is written yet.
   *
   * @param name of the kind of files, a folder of the cache
   * @param index the files
   * @param resources gives the place of each file of the index, or null
   */
  public ResourceCache(String name, ResourceIndex index, Function<String, URL> resources) {
    this.name = name;
    this.index = index;
    this.resources = resources;
  }

  /**
   * The folder with every file, extracting them where that is not done.
   *
   * @param tried failed places are added to it
   * @return an absolute path
   * @throws IOException when the files can be put nowhere
   */
  public Path folder(List<String> tried) throws IOException {
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
      if (temporary == null || !index.isComplete(temporary)) {
        Path made = Files.createTempDirectory("vila4j-" + name + "-");
        made.toFile().deleteOnExit();
        extract(made);
        deleteOnExit(made);
        temporary = made;
      }
      return temporary;
    } catch (IOException | SecurityException e) {
      tried.add(System.getProperty("java.io.tmpdir") + ": " + describe(e));
      throw new IOException("no folder can be written", e);
    }
  }

  private static void deleteOnExit(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      files.forEach(file -> file.toFile().deleteOnExit());
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  private Path root() {
    String property = System.getProperty(NativeLibrary.CACHE_PROPERTY);
    if (property != null && !property.isEmpty()) {
      return Path.of(property).toAbsolutePath().resolve(name);
    }
    String own = System.getenv("VILA_CACHE");
    if (own != null && !own.isEmpty()) {
      return Path.of(own).toAbsolutePath().resolve(name);
    }
    String xdg = System.getenv("XDG_CACHE_HOME");
    Path base = xdg != null && !xdg.isEmpty() ? Path.of(xdg) : Path.of(System.getProperty("user.home"), ".cache");
    return base.toAbsolutePath().resolve("vila4j").resolve(name);
  }

  /** Writes every file into the new folder {@code into}; leaves nothing behind when that fails. */
  private Path extract(Path into) throws IOException {
    try {
      Files.createDirectories(into);
      for (ResourceIndex.Entry entry : index.entries()) {
        URL url = resources.apply(entry.name());
        if (url == null) {
          throw new IOException("the " + name + " jar lacks " + entry.name());
        }
        Path file = into.resolve(entry.name());
        Files.createDirectories(file.getParent());
        try (InputStream in = url.openStream()) {
          Files.copy(in, file, StandardCopyOption.REPLACE_EXISTING);
        }
        if (Files.size(file) != entry.size()) {
          throw new IOException(
              "the " + name + " jar is damaged: " + entry.name() + " has " + Files.size(file) + " bytes, expected " + entry.size());
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
        try {
          Files.move(target, broken, StandardCopyOption.ATOMIC_MOVE);
        } catch (NoSuchFileException another) {
          continue; // Another JVM made room.
        }
        delete(broken);
      }
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException | UncheckedIOException e) {
      // What is left has a name that no loader looks at.
    }
  }

  private static String describe(Exception e) {
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getClass().getSimpleName() + ": " + e.getMessage();
  }
}
