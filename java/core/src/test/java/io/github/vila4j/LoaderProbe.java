// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import java.nio.file.Path;
import org.bytedeco.javacpp.Pointer;

/** What a JVM of its own says about loading; started by {@link LoaderTest}. */
final class LoaderProbe {
  private LoaderProbe() {}

  /** Prints the version, where the library lies, and JavaCPP's limits, and loads a model if one is named; or the failure, twice. */
  public static void main(String[] args) {
    try {
      System.out.println("version " + Vila.version());
      System.out.println("folder " + io.github.vila4j.internal.loader.NativeLibrary.folder());
      System.out.println("limits " + Pointer.maxBytes() + " " + Pointer.maxPhysicalBytes());
      if (args.length > 0) {
        Vila.load(Path.of(args[0])).close();
      }
    } catch (NativeLibraryException e) {
      System.out.println("failure " + e.code() + " " + e.getMessage());
      try {
        VilaImage.of(new byte[1]);
        if (args.length > 0) {
        Vila.load(Path.of(args[0])).close();
      }
    } catch (NativeLibraryException again) {
        System.out.println("again " + again.getMessage());
      }
      System.out.println("doctor " + Vila.doctor());
    }
  }
}
