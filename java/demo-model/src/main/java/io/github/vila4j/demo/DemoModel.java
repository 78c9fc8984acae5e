// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.demo;

import io.github.vila4j.FileAccessException;
import io.github.vila4j.Vila;
import io.github.vila4j.VilaModel;
import io.github.vila4j.internal.loader.ResourceCache;
import io.github.vila4j.internal.loader.ResourceIndex;
import java.io.IOException;
import java.net.URL;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A VILA of 3.8 million weights that was trained on drawn shapes. It knows nothing else: it serves to try the library, to learn its
 * interface and to test it. The model card lies beside it in the jar.
 */
public final class DemoModel {
  private static ResourceCache cache;

  private DemoModel() {}

  /**
   * The checkpoint's folder, in the layout of VILA1.5. The first call writes it into the cache folder of vila4j (the system property
   * {@code io.github.vila4j.cache.dir}, else {@code $VILA_CACHE}, {@code $XDG_CACHE_HOME/vila4j} or {@code ~/.cache/vila4j}); any
   * number of processes may do so at once. Thread-safe.
   *
   * @return an absolute path; its files are not to be changed
   * @throws FileAccessException when the files can be written nowhere; the message says what was tried
   */
  public static synchronized Path folder() {
    List<String> tried = new ArrayList<>();
    try {
      URL index = resource(ResourceIndex.RESOURCE);
      if (index == null) {
        throw new IOException("the jar lacks its index");
      }
      if (cache == null) {
        cache = new ResourceCache("demo-model", ResourceIndex.read(index), DemoModel::resource);
      }
      return cache.folder(tried);
    } catch (IOException e) {
      if (tried.isEmpty()) {
        tried.add(e.getMessage());
      }
      throw new FileAccessException("the demo model could not be extracted; tried: " + String.join("; ", tried), e);
    }
  }

  /**
   * Loads the model as {@link Vila#load(Path)} does.
   *
   * @return the model, to be closed
   */
  public static VilaModel load() {
    return Vila.load(folder());
  }

  private static URL resource(String name) {
    return DemoModel.class.getResource("model/" + name);
  }
}
