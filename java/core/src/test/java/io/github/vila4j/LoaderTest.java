// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Finding the native library, each time in a JVM of its own. */
@Timeout(120)
class LoaderTest {
  private static final Path NATIVES = Path.of(System.getProperty("vila.test.natives"));
  private static final String CACHE = "-Dio.github.vila4j.cache.dir=";
  private static final String PATH = "-Dio.github.vila4j.library.path=";

  @TempDir Path temp;

  /** Starts a JVM; {@code natives} tells whether the natives jar is on its class path. */
  private Process start(boolean natives, String... options) throws IOException {
    return start(natives, List.of(), options);
  }

  private Process start(boolean natives, List<String> arguments, String... options) throws IOException {
    String root = NATIVES.toString().replace(File.separator + "io/github/vila4j/natives/linux-x86_64", "");
    List<String> classPath = new ArrayList<>();
    for (String element : System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")).split(":")) {
      if (natives || !Path.of(element).equals(Path.of(root))) {
        classPath.add(element);
      }
    }
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-XX:TieredStopAtLevel=1", "-Djava.io.tmpdir=" + Files.createDirectories(temp.resolve("tmp"))));
    command.add("-Dorg.bytedeco.javacpp.cachedir=" + temp.resolve("javacpp"));
    command.addAll(Arrays.asList(options));
    command.addAll(List.of("-cp", String.join(":", classPath), LoaderProbe.class.getName()));
    command.addAll(arguments);
    return new ProcessBuilder(command).redirectErrorStream(true).start();
  }

  /** The lines a JVM printed, by their first word. */
  private static Map<String, String> lines(Process process) throws Exception {
    Map<String, String> lines = new TreeMap<>();
    String output = new String(process.getInputStream().readAllBytes());
    output.lines().forEach(line -> lines.put(line.split(" ")[0], line.substring(line.indexOf(' ') + 1)));
    assertEquals(0, process.waitFor(), output);
    return lines;
  }

  private Map<String, String> run(boolean natives, String... options) throws Exception {
    return lines(start(natives, options));
  }

  private static List<Path> list(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }

  @Test
  void librariesAreExtractedOnce() throws Exception {
    Path cache = temp.resolve("cache");
    Map<String, String> first = run(true, CACHE + cache);
    assertEquals(Vila.version(), first.get("version"));
    List<Path> folders = list(cache.resolve("natives"));
    assertEquals(List.of(Path.of(first.get("folder"))), folders);
    Map<String, Object> before = keys(folders.get(0));
    assertTrue(before.containsKey("libvila.so") && before.containsKey("libjnivila.so"), before::toString);
    assertEquals(first, run(true, CACHE + cache));
    assertEquals(before, keys(folders.get(0)));
    assertEquals(List.of(), list(temp.resolve("tmp")).stream().filter(file -> !file.toString().contains("hsperf")).toList());
    try (Stream<Path> extracted = Files.walk(temp.resolve("javacpp"))) {
      assertEquals(List.of(), extracted.filter(Files::isRegularFile).toList(), "JavaCPP extracted something by itself");
    }
  }

  /** File names with what tells one file from another. */
  private static Map<String, Object> keys(Path folder) throws IOException {
    Map<String, Object> keys = new TreeMap<>();
    for (Path file : list(folder)) {
      keys.put(file.getFileName().toString(), Files.getAttribute(file, "unix:ino") + " " + Files.getLastModifiedTime(file));
    }
    return keys;
  }

  @Test
  void manyJvmsMayStartAtOnce() throws Exception {
    Path cache = temp.resolve("cache");
    List<Process> processes = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      processes.add(start(true, CACHE + cache));
    }
    for (Process process : processes) {
      assertEquals(Vila.version(), lines(process).get("version"));
    }
    assertEquals(1, list(cache.resolve("natives")).size());
  }

  @Test
  void damagedCacheIsRepaired() throws Exception {
    Path cache = temp.resolve("cache");
    Path folder = Path.of(run(true, CACHE + cache).get("folder"));
    Files.write(folder.resolve("libvila.so"), new byte[] {1});
    assertEquals(Vila.version(), run(true, CACHE + cache).get("version"));
    assertEquals(List.of(folder), list(cache.resolve("natives")));
  }

  @Test
  void unwritableCacheIsDoneWithout() throws Exception {
    Path file = Files.createFile(temp.resolve("file"));
    Map<String, String> lines = run(true, CACHE + file.resolve("cache"));
    assertEquals(Vila.version(), lines.get("version"));
    Path folder = Path.of(lines.get("folder"));
    assertTrue(folder.startsWith(temp.resolve("tmp")), folder::toString);
    assertFalse(Files.exists(folder), "the temporary folder is still there");
  }

  @Test
  void exactPathIsUsedAndNothingElse() throws Exception {
    Path cache = temp.resolve("cache");
    Map<String, String> lines = run(false, PATH + NATIVES, CACHE + cache);
    assertEquals(Vila.version(), lines.get("version"));
    assertEquals(NATIVES.toString(), lines.get("folder"));
    assertFalse(Files.exists(cache));
    Map<String, String> wrong = run(true, PATH + temp);
    assertEquals(
        "NATIVE_LIBRARY the native library of vila4j could not be loaded; tried: "
            + temp.resolve("libjnivila.so")
            + ": no such file; what to do: set -Dio.github.vila4j.library.path to the folder that holds libjnivila.so, "
            + "or leave it unset",
        wrong.get("failure"));
  }

  @Test
  void missingNativesJarIsExplained() throws Exception {
    Map<String, String> lines = run(false, CACHE + temp.resolve("cache"));
    String message =
        "the native library of vila4j could not be loaded; tried: class path: no resource "
            + "io/github/vila4j/natives/linux-x86_64/index; what to do: depend on io.github.vila4j:vila4j, "
            + "or add io.github.vila4j:vila4j-core with the classifier linux-x86_64";
    assertEquals("NATIVE_LIBRARY " + message, lines.get("failure"));
    assertEquals(message, lines.get("again"));
    assertEquals("[Check[name=native library, ok=false, required=true, detail=" + message + "]]", lines.get("doctor"));
  }

  @Test
  void otherPlatformsAreNamed() throws Exception {
    Map<String, String> lines = run(true, "-Dos.arch=aarch64", CACHE + temp.resolve("cache"));
    assertEquals(
        "NATIVE_LIBRARY the native library of vila4j could not be loaded; tried: this is Linux on aarch64; there are native "
            + "libraries for linux-x86_64 only; what to do: run on 64-bit x86 Linux with glibc",
        lines.get("failure"));
  }

  @Test
  void libraryThatDoesNotLoadIsExplained() throws Exception {
    Path folder = Files.createDirectories(temp.resolve("bad"));
    Files.writeString(folder.resolve("libjnivila.so"), "no library");
    String failure = run(true, PATH + folder).get("failure");
    assertTrue(failure.contains(folder.resolve("libjnivila.so") + ": ") && failure.contains("file too short"), failure);
    assertTrue(failure.endsWith("must name libraries of the same vila4j version"), failure);
  }

  @Test
  void nativeLogLinesGoToSlf4j() throws Exception {
    String model = TestData.model("vila10-clip-linear").toString();
    String level = "-Dorg.slf4j.simpleLogger.log.io.github.vila4j.native=info";
    Process process = start(true, List.of(model), CACHE + temp.resolve("cache"), level);
    String output = new String(process.getInputStream().readAllBytes());
    assertEquals(0, process.waitFor(), output);
    assertTrue(output.contains("INFO io.github.vila4j.native - loaded " + model), output);
  }

  @Test
  void javaCppHasNoMemoryLimitUnlessOneIsSet() throws Exception {
    assertEquals("0 0", run(true, PATH + NATIVES).get("limits"));
    assertEquals(
        "1073741824 2147483648",
        run(true, PATH + NATIVES, "-Dorg.bytedeco.javacpp.maxBytes=1g", "-Dorg.bytedeco.javacpp.maxphysicalbytes=2g")
            .get("limits"));
  }
}
