// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import static org.bytedeco.pytorch.global.torch.cat;
import static org.bytedeco.pytorch.global.torch.gelu;
import static org.bytedeco.pytorch.global.torch.layer_norm;
import static org.bytedeco.pytorch.global.torch.rms_norm;
import static org.bytedeco.pytorch.global.torch.scaled_dot_product_attention;
import static org.bytedeco.pytorch.global.torch.silu;

import java.util.Arrays;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The forward pass of VILA1.5 as a graph that gradients flow through. Every call's tensors belong to the caller's pointer scope.
 * Matrix products run in bfloat16 where asked, everything else in float32.
 */
final class Network {
  private final Weights weights;
  private final ModelShape shape;
  private final boolean bfloat16;
  private final float[] cos;
  private final float[] sin;

  Network(Weights weights, boolean bfloat16) {
    this.weights = weights;
    this.shape = weights.shape();
    this.bfloat16 = bfloat16;
    int half = shape.headDim() / 2;
    cos = new float[ModelShape.MAX_POSITIONS * half];
    sin = new float[cos.length];
    for (int t = 0; t < ModelShape.MAX_POSITIONS; t++) {
      for (int i = 0; i < half; i++) {
        double angle = t * Math.pow(ModelShape.ROPE_THETA, -i / (double) half);
        cos[t * half + i] = (float) Math.cos(angle);
        sin[t * half + i] = (float) Math.sin(angle);
      }
    }
  }

  ModelShape shape() {
    return shape;
  }

  private Tensor product(Tensor x, Tensor weight) {
    return bfloat16 ? torch.linear(x.to(ScalarType.BFloat16), weight.to(ScalarType.BFloat16)) : torch.linear(x, weight);
  }

  private Tensor linear(Part part, String name, Tensor x) {
    return product(x, weights.get(part, name + ".weight")).add(weights.get(part, name + ".bias"));
  }

  private Tensor norm(Part part, String name, Tensor x, double eps) {
    TensorOptional weight = new TensorOptional(weights.get(part, name + ".weight"));
    TensorOptional bias = new TensorOptional(weights.get(part, name + ".bias"));
    return layer_norm(x, new long[] {x.size(-1)}, weight, bias, eps, false);
  }

  private static Tensor attention(Tensor q, Tensor k, Tensor v, boolean causal) {
    return scaled_dot_product_attention(q, k, v, new TensorOptional(), 0, causal, new DoubleOptional(), false);
  }

  /** [N, T, heads * d] to [N, heads, T, d]. */
  private static Tensor split(Tensor x, int heads) {
    return x.view(x.size(0), x.size(1), heads, x.size(2) / heads).transpose(1, 2);
  }

  /** [N, heads, T, d] to [N, T, heads * d]. */
  private static Tensor join(Tensor x) {
    return x.transpose(1, 2).reshape(x.size(0), x.size(2), x.size(1) * x.size(3));
  }

  /**
   * The tower before its last block.
   *
   * @param patches [N, P, 3 * patch * patch], normalized pixels, each patch channel by channel
   * @return features [N, P, C]
   */
  Tensor features(Tensor patches) {
    Part part = Part.VISION_TOWER;
    String p = "vision_model.";
    Tensor kernel = weights.get(part, p + "embeddings.patch_embedding.weight").view(shape.visionHidden(), shape.patchValues());
    Tensor x =
        product(patches, kernel)
            .add(weights.get(part, p + "embeddings.patch_embedding.bias"))
            .add(weights.get(part, p + "embeddings.position_embedding.weight"));
    for (int i = 0; i < shape.visionRun(); i++) {
      String l = p + "encoder.layers." + i + ".";
      Tensor n = norm(part, l + "layer_norm1", x, ModelShape.VISION_EPS);
      Tensor q = split(linear(part, l + "self_attn.q_proj", n), shape.visionHeads());
      Tensor k = split(linear(part, l + "self_attn.k_proj", n), shape.visionHeads());
      Tensor v = split(linear(part, l + "self_attn.v_proj", n), shape.visionHeads());
      x = x.add(linear(part, l + "self_attn.out_proj", join(attention(q, k, v, false))));
      Tensor m = linear(part, l + "mlp.fc1", norm(part, l + "layer_norm2", x, ModelShape.VISION_EPS));
      x = x.add(linear(part, l + "mlp.fc2", gelu(m, "tanh")));
    }
    return x;
  }

  /** What a head of the first stage says: [N, P, classes]. */
  Tensor probe(Probe probe, Tensor features) {
    return product(features, weights.get(Part.PROBE, probe.key() + ".weight")).to(ScalarType.Float);
  }

  /** Image tokens put into words: [N, tokens, hidden]. */
  Tensor told(ToldImages images) {
    int words = images.ids().length;
    Tensor rows = weights.get(Part.WORDS, "weight").index_select(0, AbstractTensor.create(images.ids(), words));
    Tensor weighted = rows.mul(AbstractTensor.create(images.weights(), words, 1));
    long tokens = (long) images.images() * shape.imageTokens();
    Tensor sums = torch.zeros(tokens, shape.hidden());
    return sums.index_add(0, AbstractTensor.create(images.tokens(), words), weighted)
        .view(images.images(), shape.imageTokens(), shape.hidden());
  }

  /**
   * mlp_downsample: two by two features become a token; tokens follow each other column by column.
   *
   * @param features [N, P, C]
   * @return [N, P / 4, hidden]
   */
  Tensor project(Tensor features) {
    long n = features.size(0);
    long half = shape.grid() / 2;
    long c = features.size(2);
    Tensor cells = features.view(n, half, 2, half, 2, c).permute(0, 3, 1, 2, 4, 5).reshape(n, half * half, 4 * c);
    Tensor x = linear(Part.MM_PROJECTOR, "layers.2", norm(Part.MM_PROJECTOR, "layers.1", cells, ModelShape.PROJECTOR_EPS));
    return linear(Part.MM_PROJECTOR, "layers.4", gelu(x, "none"));
  }

  /**
   * The rows that enter the language model.
   *
   * @param rows [B * T]: ids; from the vocabulary's size on, numbers of image tokens
   * @param imageTokens [N, tokens, hidden], or null without images
   * @return [B * T, hidden]
   */
  Tensor embed(Tensor rows, Tensor imageTokens) {
    Tensor table = weights.get(Part.LLM, "model.embed_tokens.weight");
    if (imageTokens != null) {
      table = cat(new TensorVector(table, imageTokens.reshape(-1, shape.hidden()).to(ScalarType.Float)), 0);
    }
    return table.index_select(0, rows);
  }

  private Tensor rms(String name, Tensor x) {
    TensorOptional weight = new TensorOptional(weights.get(Part.LLM, name + ".weight"));
    return rms_norm(x, new long[] {x.size(-1)}, weight, new DoubleOptional(ModelShape.RMS_EPS));
  }

  private Tensor llm(String name) {
    return weights.get(Part.LLM, name + ".weight");
  }

  /** Turns element i with element i + d/2 of each head of [B, T, heads, d]. */
  private static Tensor rotate(Tensor x, Tensor cos, Tensor sin) {
    long half = x.size(3) / 2;
    Tensor a = x.narrow(3, 0, half);
    Tensor b = x.narrow(3, half, half);
    return cat(new TensorVector(a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin))), 3);
  }

  /**
   * The language model up to its last norm, causal; rows behind a sequence's end see it and are seen by nothing.
   *
   * @param x [B, T, hidden]
   * @return [B, T, hidden]
   */
  Tensor language(Tensor x) {
    long b = x.size(0);
    long t = x.size(1);
    int d = shape.headDim();
    int heads = shape.heads();
    int kvHeads = shape.kvHeads();
    Tensor c = AbstractTensor.create(Arrays.copyOf(cos, (int) t * d / 2), t, 1, d / 2);
    Tensor s = AbstractTensor.create(Arrays.copyOf(sin, (int) t * d / 2), t, 1, d / 2);
    for (int i = 0; i < shape.layers(); i++) {
      String l = "model.layers." + i + ".";
      Tensor qkv =
          cat(new TensorVector(llm(l + "self_attn.q_proj"), llm(l + "self_attn.k_proj"), llm(l + "self_attn.v_proj")), 0);
      Tensor all = product(rms(l + "input_layernorm", x), qkv).view(b, t, heads + 2 * kvHeads, d);
      Tensor qk = rotate(all.narrow(2, 0, heads + kvHeads).to(ScalarType.Float), c, s).to(all.scalar_type());
      Tensor q = qk.narrow(2, 0, heads).transpose(1, 2);
      Tensor k = repeat(qk.narrow(2, heads, kvHeads), heads / kvHeads);
      Tensor v = repeat(all.narrow(2, heads + kvHeads, kvHeads), heads / kvHeads);
      x = x.add(product(join(attention(q, k, v, true)), llm(l + "self_attn.o_proj")));
      Tensor n = rms(l + "post_attention_layernorm", x);
      Tensor inner = silu(product(n, llm(l + "mlp.gate_proj"))).mul(product(n, llm(l + "mlp.up_proj")));
      x = x.add(product(inner, llm(l + "mlp.down_proj")));
    }
    return rms("model.norm", x);
  }

  /** [B, T, kvHeads, d] to [B, kvHeads * times, T, d], each head repeated. */
  private static Tensor repeat(Tensor x, int times) {
    Tensor y = x.transpose(1, 2);
    if (times == 1) {
      return y;
    }
    long b = y.size(0);
    long t = y.size(2);
    long d = y.size(3);
    return y.unsqueeze(2).expand(b, y.size(1), times, t, d).reshape(b, y.size(1) * times, t, d);
  }

  /** Logits [R, vocab] of rows [R, hidden]; the head is the table of embeddings. */
  Tensor logits(Tensor rows) {
    return product(rows, llm("model.embed_tokens")).to(ScalarType.Float);
  }
}
