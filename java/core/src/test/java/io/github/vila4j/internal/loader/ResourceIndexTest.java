// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.internal.loader;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ResourceIndexTest {
  @TempDir private Path temp;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "", "\n", "a 1\n", "a x b\n", "a 1 ../b\n", "a 1 /b\n", "a 1 b/../c\n", "a 1 b//c\n", "a 1 .b\n", "a 1 b c\n"
      })
  void damagedListsAreRefused(String text) throws IOException {
    Path file = Files.writeString(temp.resolve("index"), text);
    IOException e = assertThrows(IOException.class, () -> ResourceIndex.read(file.toUri().toURL()));
    assertTrue(e.getMessage().startsWith(file.toUri().toURL() + ": "), e.getMessage());
    assertTrue(e.getMessage().endsWith("expected '<sha256> <size> <name>'"), e.getMessage());
  }

  @Test
  void listsFilesOfFolders() throws IOException {
    Files.writeString(Files.createDirectories(temp.resolve("from/part")).resolve("b.txt"), "bb");
    Files.writeString(temp.resolve("from/a"), "a");
    ResourceIndex.main(new String[] {temp.resolve("from").toString()});
    ResourceIndex index = ResourceIndex.read(temp.resolve("from/index").toUri().toURL());
    assertEquals(List.of("a", "part/b.txt"), index.entries().stream().map(ResourceIndex.Entry::name).toList());
    assertTrue(index.isComplete(temp.resolve("from")));
    Files.writeString(temp.resolve("from/a"), "ab");
    assertTrue(!index.isComplete(temp.resolve("from")));

    Files.writeString(temp.resolve("from/.keep"), "");
    IOException e = assertThrows(IOException.class, () -> ResourceIndex.main(new String[] {temp.resolve("from").toString()}));
    assertEquals(temp.resolve("from/.keep") + ": a name that the index cannot hold", e.getMessage());
  }
}
