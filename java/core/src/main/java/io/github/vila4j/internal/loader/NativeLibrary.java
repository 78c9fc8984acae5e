// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.internal.loader;

import io.github.vila4j.NativeLibraryException;
import java.io.IOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Finds and loads the native library, once per JVM. Looks into the folder that the system property {@value #PATH_PROPERTY} names,
 * or else extracts the libraries of the natives jar into a cache folder, where later starts and other JVMs find them.
 */
public final class NativeLibrary {
  /** System property: the folder that holds the native libraries; nothing else is tried then. */
  public static final String PATH_PROPERTY = "io.github.vila4j.library.path";

  /** System property: the folder under which the libraries of the natives jar are extracted. */
  public static final String CACHE_PROPERTY = "io.github.vila4j.cache.dir";

  private static final String JNI_LIBRARY = "libjnivila.so";
  private static final String PLATFORM = "linux-x86_64";

  private static Path folder;
  private static NativeLibraryException failure;

  private NativeLibrary() {}

  /**
   * Loads the library unless that is done. After a failure every call throws it again.
   *
   * @throws NativeLibraryException when it cannot be loaded, with what was tried and what to do
   */
  public static synchronized void load() {
    if (folder != null) {
      return;
    }
    if (failure != null) {
      throw failure;
    }
    liftJavaCppLimits();
    try {
      folder = findAndLoad();
    } catch (NativeLibraryException e) {
      failure = e;
      throw e;
    }
  }

  /**
   * The folder the library was loaded from.
   *
   * @return an absolute path, or null before {@link #load()}
   */
  public static synchronized Path folder() {
    return folder;
  }

  /** JavaCPP refuses allocations once the process, mapped weights included, is larger than a limit: no limit, unless one is set. */
  private static void liftJavaCppLimits() {
    for (String name : new String[] {"maxPhysicalBytes", "maxBytes"}) {
      String property = "org.bytedeco.javacpp." + name;
      if (System.getProperty(property) == null && System.getProperty(property.toLowerCase(Locale.ROOT)) == null) {
        System.setProperty(property, "0");
      }
    }
  }

  /** Loads the library; returns its folder. */
  private static Path findAndLoad() {
    String path = System.getProperty(PATH_PROPERTY);
    List<String> tried = new ArrayList<>();
    if (path != null && !path.isEmpty()) {
      Path exact = Path.of(path).toAbsolutePath();
      if (!Files.isRegularFile(exact.resolve(JNI_LIBRARY))) {
        tried.add(exact.resolve(JNI_LIBRARY) + ": no such file");
        throw new NativeLibraryException(
            tried, "set -D" + PATH_PROPERTY + " to the folder that holds " + JNI_LIBRARY + ", or leave it unset", null);
      }
      load(exact, tried, "-D" + PATH_PROPERTY + " must name libraries of the same vila4j version");
      return exact;
    }
    checkPlatform(tried);
    Path extracted = extract(readIndex(tried), tried);
    load(
        extracted,
        tried,
        "vila4j needs glibc 2.34 and libstdc++ 3.4.30 or later, and a cache folder that allows execution (-D"
            + CACHE_PROPERTY
            + ")");
    return extracted;
  }

  private static Path extract(ResourceIndex index, List<String> tried) {
    try {
      return new ResourceCache("natives", index, NativeLibrary::resource).folder(tried);
    } catch (IOException e) {
      throw new NativeLibraryException(tried, "set -D" + CACHE_PROPERTY + " to a folder that can be written", e.getCause());
    }
  }

  private static void load(Path from, List<String> tried, String advice) {
    try {
      System.load(from.resolve(JNI_LIBRARY).toString());
    } catch (UnsatisfiedLinkError e) {
      tried.add(from.resolve(JNI_LIBRARY) + ": " + e.getMessage());
      throw new NativeLibraryException(tried, advice, e);
    }
  }

  private static void checkPlatform(List<String> tried) {
    String os = System.getProperty("os.name", "");
    String arch = System.getProperty("os.arch", "");
    if (!os.equals("Linux") || !(arch.equals("amd64") || arch.equals("x86_64"))) {
      tried.add("this is " + os + " on " + arch + "; there are native libraries for " + PLATFORM + " only");
      throw new NativeLibraryException(tried, "run on 64-bit x86 Linux with glibc", null);
    }
  }

  private static ResourceIndex readIndex(List<String> tried) {
    URL url = resource(ResourceIndex.RESOURCE);
    if (url == null) {
      tried.add("class path: no resource " + resourceName(ResourceIndex.RESOURCE));
      throw new NativeLibraryException(
          tried,
          "depend on io.github.vila4j:vila4j, or add io.github.vila4j:vila4j-core with the classifier " + PLATFORM,
          null);
    }
    try {
      return ResourceIndex.read(url);
    } catch (IOException e) {
      tried.add(e.getMessage());
      throw new NativeLibraryException(tried, "the natives jar is damaged: fetch it again", e);
    }
  }

  private static String resourceName(String name) {
    return "io/github/vila4j/natives/" + PLATFORM + "/" + name;
  }

  private static URL resource(String name) {
    return NativeLibrary.class.getClassLoader().getResource(resourceName(name));
  }
}
