// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import org.bytedeco.javacpp.Pointer;

/** What a JVM of its own says about loading; started by {@link LoaderTest}. */
final class LoaderProbe {
  private LoaderProbe() {}

  /** Prints the version, where the library lies, and JavaCPP's limits; or the failure, twice. */
  public static void main(String[] args) {
    try {
      System.out.println("version " + Vila.version());
      System.out.println("folder " + io.github.vila4j.internal.loader.NativeLibrary.folder());
      System.out.println("limits " + Pointer.maxBytes() + " " + Pointer.maxPhysicalBytes());
    } catch (NativeLibraryException e) {
      System.out.println("failure " + e.code() + " " + e.getMessage());
      try {
        VilaImage.of(new byte[1]);
      } catch (NativeLibraryException again) {
        System.out.println("again " + again.getMessage());
      }
      System.out.println("doctor " + Vila.doctor());
    }
  }
}
