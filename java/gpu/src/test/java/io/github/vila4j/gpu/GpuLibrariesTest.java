// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.gpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the engine is told of the class path's GPU libraries, without a GPU, each time in a JVM of its own. */
@Timeout(120)
class GpuLibrariesTest {
  private static final Path CLASSES = Path.of(System.getProperty("vila.test.classes"));
  private static final Path LIBRARY = Path.of(System.getProperty("vila.test.gpu.library"));
  private static final Path MODEL = Path.of(System.getProperty("vila.test.data"), "cases/vila10-clip-linear/model");
  private static final String INSIDE = "org/bytedeco/tensorrt/linux-x86_64/";
  private static final List<String> TENSORRT =
      List.of("libnvinfer.so.11", "libnvinfer_builder_resource_ptx.so.11.2.1", "libnvonnxparser.so.11");

  @TempDir private Path temp;
  private Path cache;

  @BeforeEach
  void setUp() {
    cache = temp.resolve("cache");
  }

  /** The lines that a JVM printed, by their names; {@code own} tells whether this module is on its class path. */
  private Map<String, String> run(boolean own, List<Path> more, Map<String, String> environment, String... arguments)
      throws Exception {
    List<String> classPath = new ArrayList<>();
    for (String element : System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")).split(":")) {
      if (own || !Path.of(element).equals(CLASSES)) {
        classPath.add(element);
      }
    }
    more.forEach(path -> classPath.add(path.toString()));
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-XX:TieredStopAtLevel=1", "-Djava.io.tmpdir=" + Files.createDirectories(temp.resolve("tmp"))));
    command.addAll(List.of("-Dio.github.vila4j.cache.dir=" + cache, "-cp", String.join(":", classPath), GpuProbe.class.getName()));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().keySet().removeAll(List.of("VILA_CUDA", "VILA_TENSORRT"));
    builder.environment().put("HOME", temp.toString()); // no jar that JavaCPP has unpacked
    builder.environment().putAll(environment);
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes());
    assertEquals(0, process.waitFor(), output);
    Map<String, String> lines = new TreeMap<>();
    // Not the cache's line: what others write changes the room that it tells of.
    output.lines().filter(line -> line.contains(": ") && !line.startsWith("plan cache: ")).forEach(line -> {
      int colon = line.indexOf(": ");
      lines.put(line.substring(0, colon), line.substring(colon + 2));
    });
    return lines;
  }

  /** The only folder in a folder of the cache. */
  private Path extracted(String name) throws IOException {
    try (Stream<Path> folders = Files.list(cache.resolve(name))) {
      List<Path> list = folders.toList();
      assertEquals(1, list.size(), list.toString());
      return list.get(0);
    }
  }

  /** A jar like TensorRT's, with text for libraries. */
  private Path tensorRtJar() throws IOException {
    Path jar = temp.resolve("tensorrt.jar");
    try (OutputStream file = Files.newOutputStream(jar);
        JarOutputStream out = new JarOutputStream(file)) {
      List<String> names = new ArrayList<>(TENSORRT);
      names.addAll(List.of("libnvinfer_lean.so.11", "deep/libnvinfer.so.11"));
      for (String name : names) {
        out.putNextEntry(new JarEntry(INSIDE + name));
        out.write(("no library: " + name).getBytes());
      }
    }
    return jar;
  }

  private static void assumeBuilt() {
    assumeTrue(Files.exists(LIBRARY), "libvila_cuda.so was not built: nvcc or TensorRT's headers are missing");
  }

  private static void assumeNoTensorRt(Map<String, String> lines) {
    assumeTrue(lines.get("TensorRT").contains("the system's libnvinfer.so.11: "), "this system has TensorRT installed");
  }

  @Test
  void libraryIsExtractedAndOpened() throws Exception {
    assumeBuilt();
    Map<String, String> lines = run(true, List.of(), Map.of());
    Path file = extracted("gpu").resolve("libvila_cuda.so");
    assertArrayEquals(Files.readAllBytes(LIBRARY), Files.readAllBytes(file));
    assertTrue(lines.get("libvila_cuda.so").startsWith("ok " + file + ", interface "), lines.toString());
    Object before = Files.getAttribute(file, "unix:ino");
    assertEquals(lines, run(true, List.of(), Map.of()));
    assertEquals(before, Files.getAttribute(file, "unix:ino"));
  }

  @Test
  void variableComesBeforeTheJar() throws Exception {
    Map<String, String> lines = run(true, List.of(), Map.of("VILA_CUDA", "/nowhere/libvila_cuda.so"));
    String miss = "no not found: tried VILA_CUDA /nowhere/libvila_cuda.so: ";
    assertTrue(lines.get("libvila_cuda.so").startsWith(miss), lines.toString());
    assertFalse(Files.exists(cache.resolve("gpu")));
  }

  @Test
  void missingLibraryIsOneClearError() throws Exception {
    String failure = run(false, List.of(), Map.of(), MODEL.toString()).get("failure");
    assertTrue(failure.startsWith("NOT_FOUND backend tensorrt: libvila_cuda.so was not found: tried beside vila4j "), failure);
    assertTrue(failure.contains("; put the Maven artifact io.github.vila4j:vila4j-gpu on the class path, or build "), failure);
    assertTrue(failure.endsWith(" name its libvila_cuda.so in VILA_CUDA"), failure);
    Map<String, String> lines = run(false, List.of(), Map.of());
    assertTrue(lines.get("backend tensorrt").startsWith("no cannot be used, missing: libvila_cuda.so"), lines.toString());
  }

  @Test
  void missingTensorRtIsOneClearError() throws Exception {
    assumeBuilt();
    assumeNoTensorRt(run(true, List.of(), Map.of()));
    String failure = run(true, List.of(), Map.of(), MODEL.toString()).get("failure");
    assertTrue(failure.startsWith("NOT_FOUND backend tensorrt: TensorRT was not found: tried the system's libnvinfer"), failure);
    assertTrue(
        failure.contains("put the Maven artifact org.bytedeco:tensorrt with the classifier linux-x86_64-redist on the class path"),
        failure);
  }

  @Test
  void tensorRtOfTheClassPathIsExtractedOnce() throws Exception {
    List<Path> jar = List.of(tensorRtJar());
    Map<String, String> lines = run(true, jar, Map.of());
    assumeTrue(Files.exists(cache.resolve("tensorrt")), "this system has TensorRT installed");
    Path folder = extracted("tensorrt");
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(TENSORRT, files.map(file -> file.getFileName().toString()).sorted().toList());
    }
    assertEquals("no library: libnvinfer.so.11", Files.readString(folder.resolve("libnvinfer.so.11")));
    String miss = "no not found: tried the folder that was set, " + folder.resolve("libnvinfer.so.11") + ": file too short";
    assertTrue(lines.get("TensorRT").startsWith(miss), lines.toString());
    Object before = Files.getAttribute(folder.resolve("libnvinfer.so.11"), "unix:ino");
    assertEquals(lines, run(true, jar, Map.of()));
    assertEquals(before, Files.getAttribute(folder.resolve("libnvinfer.so.11"), "unix:ino"));
  }

  @Test
  void tensorRtInAFolderOfTheClassPathStaysThere() throws Exception {
    Path library = temp.resolve("classes").resolve(INSIDE + "libnvinfer.so.11");
    Files.createDirectories(library.getParent());
    Files.writeString(library, "no library");
    Map<String, String> lines = run(true, List.of(temp.resolve("classes")), Map.of());
    assumeNoTensorRt(run(true, List.of(), Map.of()));
    String miss = "no not found: tried the folder that was set, " + library + ": ";
    assertTrue(lines.get("TensorRT").startsWith(miss), lines.toString());
    assertFalse(Files.exists(cache.resolve("tensorrt")));
  }

  @Test
  void damagedJarIsALineOfDoctorAndAnErrorOfLoading() throws Exception {
    Path index = temp.resolve("classes/io/github/vila4j/gpu/linux-x86_64/index");
    Files.createDirectories(index.getParent());
    Files.writeString(index, "nonsense");
    List<Path> classes = List.of(temp.resolve("classes"));
    String reason = "backend tensorrt: file:" + index + ": 'nonsense', expected '<sha256> <size> <name>'";
    assertEquals("no " + reason, run(false, classes, Map.of()).get("GPU libraries"));
    assertEquals("IO " + reason, run(false, classes, Map.of(), MODEL.toString()).get("failure"));
  }
}
