// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/** The gradients of an update's batches, each in a view of the weights of its own: their sum does not depend on threads. */
final class Gradients implements AutoCloseable {
  private final Stage stage;
  private final List<Weights> views = new ArrayList<>();
  private final List<Network> networks = new ArrayList<>();
  private final Workers workers;

  Gradients(Weights weights, Stage stage, int batches, boolean bfloat16, Workers workers) {
    this.stage = stage;
    for (int i = 0; i < batches; i++) {
      Weights view = weights.view();
      view.train(stage.parts());
      views.add(view);
      networks.add(new Network(view, bfloat16));
    }
    this.workers = workers;
  }

  /** The views that hold a gradient each after {@link #of}. */
  List<Weights> views() {
    return views;
  }

  /** Adds the gradients of the mean of the batches' losses, a batch to each view; returns that mean. */
  double of(List<Batch> batches) {
    int count = batches.size();
    return workers.sum(count, i -> one(networks.get(i), batches.get(i), count)) / count;
  }

  private double one(Network network, Batch batch, int of) {
    try (PointerScope scope = new PointerScope()) {
      ModelShape shape = network.shape();
      Tensor loss =
          switch (stage.kind()) {
            case PATCHES -> Losses.ofPatches(network, batch, shape);
            case PROJECTOR -> Losses.ofTokens(network, batch, shape);
            default -> Losses.ofText(network, batch, shape);
          };
      if (loss.requires_grad()) { // Text alone says nothing to the projector, which may be all that is trained.
        loss.div(new Scalar((double) of)).backward();
      }
      return loss.item_float();
    }
  }

  @Override
  public void close() {
    views.forEach(Weights::close);
  }
}
