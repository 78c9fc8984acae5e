// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.VilaImage;
import io.github.vila4j.VilaModel;
import java.util.function.Supplier;

/** A model's vision tower and projector in fp32, loaded when first used. */
final class Fp32Images implements AutoCloseable {
  private final Supplier<VilaModel> source;
  private VilaModel model;

  Fp32Images(Supplier<VilaModel> source) {
    this.source = source;
  }

  /** How long an image takes. */
  double seconds(VilaImage image) {
    if (model == null) {
      model = source.get();
    }
    return Bench.time(() -> model.encodeImage(image));
  }

  @Override
  public void close() {
    if (model != null) {
      model.close();
    }
  }
}
