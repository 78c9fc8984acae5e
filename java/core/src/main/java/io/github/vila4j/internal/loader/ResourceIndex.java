// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.internal.loader;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/**
 * The list of the files that a jar holds to be extracted: the resource {@code index} beside them, one line
 * {@code <sha256> <size> <name>} each, the name relative and with slashes. The build writes it; it is read instead of searching the
 * jar.
 */
public final class ResourceIndex {
  /** The name of the list itself. */
  public static final String RESOURCE = "index";

  private static final String NAME = "([A-Za-z0-9_+-][A-Za-z0-9_.+-]*/)*[A-Za-z0-9_+-][A-Za-z0-9_.+-]*";

  /** One file. */
  record Entry(String sha256, long size, String name) {}

  private final List<Entry> entries;
  private final String key;

  private ResourceIndex(List<String> lines) throws IOException {
    List<Entry> list = new ArrayList<>();
    for (String line : lines) {
      String[] parts = line.split(" ", 3);
      if (parts.length != 3 || !parts[2].matches(NAME)) {
        throw new IOException("'" + line + "', expected '<sha256> <size> <name>'");
      }
      try {
        list.add(new Entry(parts[0], Long.parseLong(parts[1]), parts[2]));
      } catch (NumberFormatException e) {
        throw new IOException("'" + line + "', expected '<sha256> <size> <name>'", e);
      }
    }
    if (list.isEmpty()) {
      throw new IOException("no lines, expected '<sha256> <size> <name>'");
    }
    entries = List.copyOf(list);
    key = hash(String.join("\n", lines).getBytes(StandardCharsets.UTF_8)).substring(0, 16);
  }

  /** The list of these lines; throws when there are none, or one is not of its form. */
  static ResourceIndex of(List<String> lines) throws IOException {
    return new ResourceIndex(lines);
  }

  /**
   * Reads the list.
   *
   * @param url its place
   * @return the list
   * @throws IOException when it cannot be read or is damaged
   */
  public static ResourceIndex read(URL url) throws IOException {
    try (InputStream in = url.openStream();
        BufferedReader reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      return new ResourceIndex(reader.lines().toList());
    } catch (IOException | UncheckedIOException e) {
      throw new IOException(url + ": " + e.getMessage(), e);
    }
  }

  List<Entry> entries() {
    return entries;
  }

  /** 16 hex digits that stand for names and contents of all the files. */
  String key() {
    return key;
  }

  /** Whether {@code folder} holds every file with its size. */
  boolean isComplete(Path folder) {
    for (Entry entry : entries) {
      Path file = folder.resolve(entry.name());
      try {
        if (!Files.isRegularFile(file) || Files.size(file) != entry.size()) {
          return false;
        }
      } catch (IOException e) {
        return false;
      }
    }
    return true;
  }

  static String hash(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  /**
   * Writes the list of a folder's files into it.
   *
   * @param args the folder
   * @throws IOException when the folder cannot be read or written
   */
  public static void main(String[] args) throws IOException {
    Path folder = Path.of(args[0]);
    List<Path> files;
    try (Stream<Path> list = Files.walk(folder)) {
      files = list.filter(file -> Files.isRegularFile(file) && !file.equals(folder.resolve(RESOURCE))).sorted().toList();
    }
    StringBuilder text = new StringBuilder();
    for (Path file : files) {
      if (!folder.relativize(file).toString().matches(NAME)) {
        throw new IOException(file + ": a name that the index cannot hold");
      }
      byte[] bytes = Files.readAllBytes(file);
      text.append(hash(bytes)).append(' ').append(bytes.length).append(' ').append(folder.relativize(file)).append('\n');
    }
    Files.writeString(folder.resolve(RESOURCE), text);
  }
}
