// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.text.BytePairs;

/**
 * What answers are computed with.
 *
 * @param weights closed with it
 * @param tokenizer the model's own
 */
record TrainedModel(Weights weights, BytePairs tokenizer) implements AutoCloseable {
  @Override
  public void close() {
    weights.close();
  }
}
