// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.bytedeco.pytorch.global.torch.cross_entropy_loss;
import static org.bytedeco.pytorch.global.torch.log_softmax;

import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/** What training makes small. */
final class Losses {
  private Losses() {}

  /** The image tokens of a batch, drawn or told, or null without images. */
  static Tensor imageTokens(Network network, Batch batch, ModelShape shape) {
    if (batch.images() == 0) {
      return null;
    }
    return batch.told() != null ? network.told(batch.told()) : network.project(network.features(patches(batch, shape)));
  }

  private static Tensor patches(Batch batch, ModelShape shape) {
    return AbstractTensor.create(batch.patches(), batch.images(), shape.patches(), shape.patchValues());
  }

  /** The rows of the language model's last norm, [B * T, hidden]. */
  static Tensor rows(Network network, Batch batch, Tensor imageTokens, ModelShape shape) {
    Tensor x = network.embed(AbstractTensor.create(batch.rows(), batch.rows().length), imageTokens);
    return network.language(x.view(batch.sequences(), batch.positions(), shape.hidden())).reshape(-1, shape.hidden());
  }

  /** The mean cross entropy of the ids that are learnt, by their weights. */
  static Tensor ofText(Network network, Batch batch, ModelShape shape) {
    Tensor rows = rows(network, batch, imageTokens(network, batch, shape), shape);
    int count = batch.picked().length;
    Tensor picked = rows.index_select(0, AbstractTensor.create(batch.picked(), count));
    Tensor targets = AbstractTensor.create(batch.targets(), count, 1);
    Tensor likelihood = log_softmax(network.logits(picked), 1).gather(1, targets).view(count);
    Tensor weights = AbstractTensor.create(batch.lossWeights(), count);
    return likelihood.mul(weights).sum().div(weights.sum()).mul(new Scalar(-1.0));
  }

  /** The mean square of how far each image token is from what it says in words, in parts of a row's mean square. */
  static Tensor ofTokens(Network network, Batch batch, ModelShape shape) {
    Tensor told = network.told(batch.told()).detach();
    Tensor tokens = network.project(network.features(patches(batch, shape)).detach());
    return tokens.sub(told).pow(new Scalar(2.0)).mean().div(told.pow(new Scalar(2.0)).mean());
  }

  /** The mean cross entropy of what each patch shows, summed over the heads by their weights. */
  static Tensor ofPatches(Network network, Batch batch, ModelShape shape) {
    Tensor features = network.features(patches(batch, shape));
    Tensor total = null;
    for (Probe probe : Probe.values()) {
      long[] labels = batch.labels()[probe.ordinal()];
      Tensor logits = network.probe(probe, features).view(-1, probe.classes());
      Tensor loss = cross_entropy_loss(logits, AbstractTensor.create(labels, labels.length));
      Tensor weighted = loss.mul(new Scalar(probe.weight()));
      total = total == null ? weighted : total.add(weighted);
    }
    return total;
  }
}
