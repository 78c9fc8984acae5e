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

  /** The image tokens of a batch, or null without images. */
  static Tensor imageTokens(Network network, Batch batch, ModelShape shape) {
    return batch.images() == 0 ? null : network.project(network.features(patches(batch, shape)));
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

  /** The mean cross entropy of what each patch shows, summed over the heads. */
  static Tensor ofPatches(Network network, Batch batch, ModelShape shape) {
    Tensor features = network.features(patches(batch, shape));
    Tensor total = null;
    int head = 0;
    for (var probe : Weights.PROBES.entrySet()) {
      long[] labels = batch.labels()[head++];
      Tensor logits = network.probe(probe.getKey(), features).view(-1, probe.getValue());
      Tensor loss = cross_entropy_loss(logits, AbstractTensor.create(labels, labels.length));
      total = total == null ? loss : total.add(loss);
    }
    return total;
  }
}
