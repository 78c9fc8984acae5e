// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.internal.loader;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResourceCacheTest {
  @TempDir private Path temp;

  /** A folder that lacks a file is filled anew; where the cache cannot be written there is a temporary folder. */
  @Test
  void foldersAreRepaired() throws IOException {
    Path from = Files.createDirectories(temp.resolve("from/part"));
    Files.writeString(from.resolve("b.txt"), "bb");
    ResourceIndex.main(new String[] {temp.resolve("from").toString()});
    ResourceIndex index = ResourceIndex.read(temp.resolve("from/index").toUri().toURL());
    String before = System.getProperty(NativeLibrary.CACHE_PROPERTY);
    try {
      System.setProperty(NativeLibrary.CACHE_PROPERTY, temp.resolve("cache").toString());
      ResourceCache cache = new ResourceCache("things", index, name -> url(temp.resolve("from").resolve(name)));
      List<String> tried = new ArrayList<>();
      Path folder = cache.folder(tried);
      assertEquals(temp.resolve("cache/things").resolve(index.key()), folder);
      Files.delete(folder.resolve("part/b.txt"));
      assertEquals(folder, cache.folder(tried));
      assertEquals("bb", Files.readString(folder.resolve("part/b.txt")));
      assertEquals(List.of(), tried);

      System.setProperty(NativeLibrary.CACHE_PROPERTY, Files.writeString(temp.resolve("file"), "").toString());
      Path other = cache.folder(tried);
      assertEquals("bb", Files.readString(other.resolve("part/b.txt")));
      assertEquals(other, cache.folder(new ArrayList<>()));
      assertTrue(tried.get(0).startsWith(temp.resolve("file/things") + ": "), tried.toString());
    } finally {
      if (before == null) {
        System.clearProperty(NativeLibrary.CACHE_PROPERTY);
      } else {
        System.setProperty(NativeLibrary.CACHE_PROPERTY, before);
      }
    }
  }

  private static URL url(Path file) {
    try {
      return file.toUri().toURL();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
