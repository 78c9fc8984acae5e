// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Java program in README.md compiles as it stands there, is short, and runs. */
class ReadmeTest {
  private static final Path DATA = Path.of(System.getProperty("vila.test.data"));

  @Test
  void theExampleCompilesAndRuns(@TempDir Path folder) throws Exception {
    String readme = Files.readString(DATA.resolve("../../README.md"));
    Matcher block = Pattern.compile("```java\\R(.*?)```", Pattern.DOTALL).matcher(readme);
    assertTrue(block.find(), "README.md has no Java example");
    String program = block.group(1);
    assertTrue(program.lines().count() <= 16, program);
    Path source = Files.writeString(folder.resolve("Compare.java"), program);
    String classPath = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    ByteArrayOutputStream errors = new ByteArrayOutputStream();
    int status =
        ToolProvider.getSystemJavaCompiler()
            .run(null, null, errors, "--release", "17", "-Xlint:all,-processing", "-Werror", "-cp", classPath, "-d", folder.toString(), source.toString());
    assertEquals(0, status, () -> errors.toString(StandardCharsets.UTF_8));

    PrintStream before = System.out;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (URLClassLoader loader = new URLClassLoader(new URL[] {folder.toUri().toURL()}, getClass().getClassLoader());
        PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
      System.setOut(out);
      String[] args = {
        DATA.resolve("cases/vila15-llama3-siglip/model").toString(),
        DATA.resolve("images/photo.png").toString(),
        DATA.resolve("images/wide.png").toString()
      };
      loader.loadClass("Compare").getMethod("main", String[].class).invoke(null, (Object) args);
    } finally {
      System.setOut(before);
    }
    assertTrue(bytes.toString(StandardCharsets.UTF_8).contains("promptTokens="), bytes.toString(StandardCharsets.UTF_8));
  }
}
