// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.internal.loader;

import java.io.IOException;
import java.net.JarURLConnection;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

/**
 * What the backend tensorrt needs besides the native library, as far as the class path has it, extracted into the cache folder:
 * libvila_cuda.so of the jar vila4j-gpu, and TensorRT's own libraries of the jar org.bytedeco:tensorrt with the classifier
 * linux-x86_64-redist. Thread-safe.
 */
public final class GpuLibraries {
  /** Our own part of the backend. */
  public static final String CUDA_LIBRARY = "libvila_cuda.so";

  private static final String CUDA_FOLDER = "io/github/vila4j/gpu/linux-x86_64/";
  private static final String TENSORRT_FOLDER = "org/bytedeco/tensorrt/linux-x86_64/";
  private static final String TENSORRT_LIBRARY = "libnvinfer.so.11";
  /** The library, its ONNX parser, and what it opens itself while it builds plans. */
  private static final String TENSORRT_FILES = "libnvinfer\\.so\\.11|libnvonnxparser\\.so\\.11|libnvinfer_builder_resource.*";

  private GpuLibraries() {}

  /**
   * Our own part of the backend.
   *
   * @return the file; empty where the class path does not have it, or where it lies beside the native library
   * @throws IOException when it cannot be extracted, with what was tried
   */
  public static synchronized Optional<Path> cudaLibrary() throws IOException {
    URL index = resource(CUDA_FOLDER + ResourceIndex.RESOURCE);
    Path natives = NativeLibrary.folder();
    if (index == null || (natives != null && Files.exists(natives.resolve(CUDA_LIBRARY)))) {
      return Optional.empty();
    }
    Path folder = extract("gpu", ResourceIndex.read(index), CUDA_FOLDER);
    return Optional.of(folder.resolve(CUDA_LIBRARY));
  }

  /**
   * The folder of TensorRT's libraries. Its jar has no index of ours: sizes and checksums of its own directory stand for one.
   *
   * @return the folder; empty where the class path does not have it
   * @throws IOException when they cannot be read or extracted, with what was tried
   */
  public static synchronized Optional<Path> tensorRt() throws IOException {
    URL library = resource(TENSORRT_FOLDER + TENSORRT_LIBRARY);
    if (library == null) {
      return Optional.empty();
    }
    if (library.getProtocol().equals("file")) { // a folder of the class path
      try {
        return Optional.of(Path.of(library.toURI()).getParent());
      } catch (URISyntaxException e) {
        throw new IOException(library + ": " + e.getMessage(), e);
      }
    }
    URLConnection connection = library.openConnection();
    connection.setUseCaches(false); // the jar is closed again
    if (!(connection instanceof JarURLConnection inside)) {
      throw new IOException(library + ": expected a file of a jar or of a folder");
    }
    List<String> lines = new ArrayList<>();
    try (JarFile jar = inside.getJarFile()) {
      for (JarEntry entry : (Iterable<JarEntry>) jar.stream()::iterator) {
        String name = entry.getName();
        String file = name.substring(name.lastIndexOf('/') + 1);
        if (name.equals(TENSORRT_FOLDER + file) && file.matches(TENSORRT_FILES)) {
          lines.add(String.format(Locale.ROOT, "crc32-%08x %d %s", entry.getCrc(), entry.getSize(), file));
        }
      }
    }
    return Optional.of(extract("tensorrt", ResourceIndex.of(lines), TENSORRT_FOLDER));
  }

  private static Path extract(String name, ResourceIndex index, String folder) throws IOException {
    List<String> tried = new ArrayList<>();
    try {
      return new ResourceCache(name, index, file -> resource(folder + file)).folder(tried);
    } catch (IOException e) {
      throw new IOException(
          "the libraries of " + folder + " could not be extracted; tried: " + String.join("; ", tried), e);
    }
  }

  private static URL resource(String name) {
    return GpuLibraries.class.getClassLoader().getResource(name);
  }
}
