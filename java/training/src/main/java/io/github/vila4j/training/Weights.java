// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import io.github.vila4j.shapes.Rng;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.Tensor;

/**
 * The weights of a model by their names in a checkpoint, as float32 views of one array in the order of {@link Part}, so that an
 * optimizer works on ranges. Not thread-safe; several threads may read it, or gather gradients in a view each, while nothing changes
 * it.
 */
final class Weights implements AutoCloseable {
  /**
   * One tensor.
   *
   * @param part where it belongs
   * @param name its name in the part's file
   * @param shape its sizes
   * @param offset of its first element in the array
   * @param size its elements
   * @param std of its first values; 0 for {@code fill}
   * @param fill its first value without spread
   */
  record Entry(Part part, String name, long[] shape, long offset, int size, double std, double fill) {
    String key() {
      return part + " " + name;
    }
  }


  private final ModelShape shape;
  private final List<Entry> entries = new ArrayList<>();
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final boolean owner;
  private Tensor flat;
  private long length;

  /** Weights that are zero until they are set. */
  Weights(ModelShape shape) {
    this.shape = shape;
    owner = true;
    describe();
    makeTensors(new float[(int) length]);
  }

  /** Weights drawn from a seed, each tensor from its name; the language model begins with {@link FirstValues}. */
  Weights(ModelShape shape, long seed) {
    this(shape, PropertyWords.NONE, seed);
  }

  /** The same where the rows of some words are set as well. */
  Weights(ModelShape shape, PropertyWords words, long seed) {
    this.shape = shape;
    owner = true;
    describe();
    float[] values = new float[(int) length];
    for (Entry entry : entries) {
      Random random = new Random(Rng.mix(seed, entry.key().hashCode()));
      for (int i = 0; i < entry.size; i++) {
        values[(int) entry.offset + i] = (float) (entry.std == 0 ? entry.fill : random.nextGaussian() * entry.std);
      }
    }
    new FirstValues(shape, words, seed).write(values, entries);
    makeTensors(values);
  }

  private Weights(Weights other) {
    shape = other.shape;
    owner = false;
    flat = other.flat;
    length = other.length;
    entries.addAll(other.entries);
    makeTensors();
  }

  /** The same values with gradients of their own; closed before the original. */
  Weights view() {
    return new Weights(this);
  }

  private void makeTensors(float[] values) {
    try (PointerScope scope = new PointerScope()) {
      flat = AbstractTensor.create(values, length);
      flat.retainReference();
    }
    makeTensors();
  }

  private void makeTensors() {
    try (PointerScope scope = new PointerScope()) {
      for (Entry entry : entries) {
        Tensor view = flat.narrow(0, entry.offset, entry.size).view(entry.shape).detach();
        view.retainReference();
        tensors.put(entry.key(), view);
      }
    }
  }

  private void describe() {
    int c = shape.visionHidden();
    Part part = Part.VISION_TOWER;
    String p = "vision_model.";
    matrix(part, p + "embeddings.patch_embedding.weight", 1, c, 3, shape.patch(), shape.patch());
    vector(part, p + "embeddings.patch_embedding.bias", c, 0);
    add(part, p + "embeddings.position_embedding.weight", 0.1, 0, shape.patches(), c);
    double visionScale = 1 / Math.sqrt(2.0 * shape.visionRun());
    for (int i = 0; i < shape.visionLayers(); i++) {
      String l = p + "encoder.layers." + i + ".";
      boolean run = i < shape.visionRun();
      norm(part, l + "layer_norm1", c);
      for (String name : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
        matrix(part, l + "self_attn." + name + ".weight", run ? name.equals("out_proj") ? visionScale : 1 : 0, c, c);
        vector(part, l + "self_attn." + name + ".bias", c, 0);
      }
      norm(part, l + "layer_norm2", c);
      matrix(part, l + "mlp.fc1.weight", run ? 1 : 0, shape.visionFfn(), c);
      vector(part, l + "mlp.fc1.bias", shape.visionFfn(), 0);
      matrix(part, l + "mlp.fc2.weight", run ? visionScale : 0, c, shape.visionFfn());
      vector(part, l + "mlp.fc2.bias", c, 0);
    }
    norm(part, p + "post_layernorm", c);

    part = Part.MM_PROJECTOR;
    norm(part, "layers.1", 4 * c);
    matrix(part, "layers.2.weight", 1, shape.hidden(), 4 * c);
    vector(part, "layers.2.bias", shape.hidden(), 0);
    matrix(part, "layers.4.weight", 1, shape.hidden(), shape.hidden());
    vector(part, "layers.4.bias", shape.hidden(), 0);

    part = Part.LLM;
    int h = shape.hidden();
    int kv = shape.kvHeads() * shape.headDim();
    int query = shape.heads() * shape.headDim();
    // Blocks begin by changing little, so that a token's own row, which is also its row of the head, shows through: copying is easy.
    double scale = 0.3 / Math.sqrt(2.0 * shape.layers());
    add(part, "model.embed_tokens.weight", 1 / Math.sqrt(h), 0, shape.vocab(), h);
    for (int i = 0; i < shape.layers(); i++) {
      String l = "model.layers." + i + ".";
      vector(part, l + "input_layernorm.weight", h, 1);
      matrix(part, l + "self_attn.q_proj.weight", 1, query, h);
      matrix(part, l + "self_attn.k_proj.weight", 1, kv, h);
      matrix(part, l + "self_attn.v_proj.weight", 1, kv, h);
      matrix(part, l + "self_attn.o_proj.weight", scale, h, query);
      vector(part, l + "post_attention_layernorm.weight", h, 1);
      matrix(part, l + "mlp.gate_proj.weight", 1, shape.ffn(), h);
      matrix(part, l + "mlp.up_proj.weight", 1, shape.ffn(), h);
      matrix(part, l + "mlp.down_proj.weight", scale, h, shape.ffn());
    }
    vector(part, "model.norm.weight", h, 1);

    for (Probe probe : Probe.values()) {
      matrix(Part.PROBE, probe.key() + ".weight", 1, probe.classes(), c);
    }
    add(Part.WORDS, "weight", 1 / Math.sqrt(h), 0, shape.vocab(), h);
  }

  /** Variance-preserving, times {@code scale}. */
  private void matrix(Part part, String name, double scale, long... sizes) {
    long in = 1;
    for (int i = 1; i < sizes.length; i++) {
      in *= sizes[i];
    }
    add(part, name, scale / Math.sqrt(in), 0, sizes);
  }

  private void vector(Part part, String name, int size, double fill) {
    add(part, name, 0, fill, size);
  }

  private void norm(Part part, String name, int size) {
    vector(part, name + ".weight", size, 1);
    vector(part, name + ".bias", size, 0);
  }

  private void add(Part part, String name, double std, double fill, long... sizes) {
    int size = 1;
    for (long n : sizes) {
      size *= (int) n;
    }
    entries.add(new Entry(part, name, sizes, length, size, std, fill));
    length += size;
  }

  ModelShape shape() {
    return shape;
  }

  List<Entry> entries() {
    return entries;
  }

  /** All values, sharing memory with the tensors. */
  Tensor flat() {
    return flat;
  }

  Tensor get(Part part, String name) {
    Tensor tensor = tensors.get(part + " " + name);
    if (tensor == null) {
      throw new IllegalArgumentException("no weight " + name + " in " + part);
    }
    return tensor;
  }

  /** Lets gradients flow to these parts only; a part that was frozen has none afterwards. */
  void train(Set<Part> parts) {
    for (Entry entry : entries) {
      tensors.get(entry.key()).set_requires_grad(parts.contains(entry.part));
    }
  }

  /** A copy of all values. */
  float[] values() {
    return toArray(flat);
  }

  /** Takes over values of the same model. */
  void set(float[] values) {
    fill(flat, values);
  }

  /** Rounds every value to the nearest bfloat16, ties to even, as a checkpoint stores it. */
  void round() {
    float[] values = values();
    for (int i = 0; i < values.length; i++) {
      values[i] = Float.intBitsToFloat(bfloat16(values[i]) << 16);
    }
    set(values);
  }

  /** The upper half of a float, rounded to nearest, ties to even. */
  static int bfloat16(float value) {
    int bits = Float.floatToRawIntBits(value);
    return (bits + 0x7FFF + (bits >>> 16 & 1)) >>> 16;
  }

  static float[] toArray(Tensor tensor) {
    float[] values = new float[(int) tensor.numel()];
    FloatBuffer buffer = tensor.createBuffer();
    buffer.get(values);
    return values;
  }

  static void fill(Tensor tensor, float[] values) {
    if (tensor.numel() != values.length) {
      throw new IllegalArgumentException(values.length + " values for a tensor of " + tensor.numel());
    }
    new FloatPointer(tensor.data_ptr()).put(values);
  }

  @Override
  public void close() {
    tensors.values().forEach(Tensor::close);
    if (owner) {
      flat.close();
    }
  }
}
