// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.github.vila4j.shapes.text.BytePairs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** Writes a checkpoint in the layout of VILA1.5: config.json, llm, vision_tower, mm_projector. */
final class ModelFolder {
  private ModelFolder() {}

  /** Weights in bfloat16, or in float32 for exact comparisons. */
  static void write(Path folder, Weights weights, BytePairs tokenizer, boolean bfloat16) throws IOException {
    ModelShape shape = weights.shape();
    float[] values = weights.values();
    for (Part part : new Part[] {Part.VISION_TOWER, Part.MM_PROJECTOR, Part.LLM}) {
      Files.createDirectories(folder.resolve(part.folder()));
      Map<String, Safetensors.Values> tensors = new LinkedHashMap<>();
      for (Weights.Entry entry : weights.entries()) {
        if (entry.part() == part) {
          int from = (int) entry.offset();
          tensors.put(entry.name(), new Safetensors.Values(entry.shape(), Arrays.copyOfRange(values, from, from + entry.size())));
        }
      }
      Safetensors.write(folder.resolve(part.folder()).resolve("model.safetensors"), tensors, bfloat16, Map.of("format", "pt"));
    }
    String type = bfloat16 ? "bfloat16" : "float32";
    JsonObject llm = language(shape, tokenizer, type);
    JsonObject tower = tower(shape, type);
    JsonObject projector = new JsonObject();
    architecture(projector, "MultimodalProjector");
    projector.addProperty("mm_projector_type", "mlp_downsample");
    projector.addProperty("model_type", "v2l_projector");
    projector.addProperty("torch_dtype", type);
    Json.write(folder.resolve("llm/config.json"), llm);
    Json.write(folder.resolve("vision_tower/config.json"), tower);
    Json.write(folder.resolve("vision_tower/preprocessor_config.json"), preprocessor(shape));
    Json.write(folder.resolve("mm_projector/config.json"), projector);
    TokenizerFiles.write(folder.resolve("llm"), tokenizer);

    JsonObject root = new JsonObject();
    architecture(root, "LlavaLlamaModel");
    root.addProperty("model_type", "llava_llama");
    root.addProperty("model_dtype", "torch." + type);
    root.addProperty("hidden_size", shape.hidden());
    root.addProperty("mm_hidden_size", shape.visionHidden());
    root.addProperty("image_aspect_ratio", "resize");
    root.addProperty("mm_vision_select_feature", "cls_patch");
    root.addProperty("mm_vision_select_layer", -2);
    root.addProperty("mm_use_im_patch_token", false);
    root.addProperty("mm_use_im_start_end", false);
    root.addProperty("s2", false);
    root.add("llm_cfg", llm);
    root.add("vision_tower_cfg", tower);
    root.add("mm_projector_cfg", projector);
    Json.write(folder.resolve("config.json"), root);
  }

  private static void architecture(JsonObject config, String name) {
    JsonArray names = new JsonArray();
    names.add(name);
    config.add("architectures", names);
  }

  private static JsonObject language(ModelShape shape, BytePairs tokenizer, String type) {
    JsonObject config = new JsonObject();
    architecture(config, "LlamaForCausalLM");
    config.addProperty("model_type", "llama");
    config.addProperty("attention_bias", false);
    config.addProperty("hidden_act", "silu");
    config.addProperty("hidden_size", shape.hidden());
    config.addProperty("intermediate_size", shape.ffn());
    config.addProperty("num_hidden_layers", shape.layers());
    config.addProperty("num_attention_heads", shape.heads());
    config.addProperty("head_dim", shape.headDim());
    config.addProperty("num_key_value_heads", shape.kvHeads());
    config.addProperty("rms_norm_eps", ModelShape.RMS_EPS);
    config.addProperty("rope_theta", ModelShape.ROPE_THETA);
    config.addProperty("max_position_embeddings", ModelShape.MAX_POSITIONS);
    config.addProperty("model_max_length", ModelShape.MAX_POSITIONS);
    config.addProperty("vocab_size", shape.vocab());
    config.addProperty("eos_token_id", tokenizer.id(TokenizerFiles.END));
    config.addProperty("tie_word_embeddings", true);
    config.addProperty("torch_dtype", type);
    return config;
  }

  private static JsonObject tower(ModelShape shape, String type) {
    JsonObject config = new JsonObject();
    architecture(config, "SiglipVisionModel");
    config.addProperty("model_type", "siglip_vision_model");
    config.addProperty("hidden_act", "gelu_pytorch_tanh");
    config.addProperty("hidden_size", shape.visionHidden());
    config.addProperty("image_size", shape.imageSize());
    config.addProperty("intermediate_size", shape.visionFfn());
    config.addProperty("layer_norm_eps", ModelShape.VISION_EPS);
    config.addProperty("num_attention_heads", shape.visionHeads());
    config.addProperty("num_channels", 3);
    config.addProperty("num_hidden_layers", shape.visionLayers());
    config.addProperty("patch_size", shape.patch());
    config.addProperty("torch_dtype", type);
    return config;
  }

  private static JsonObject preprocessor(ModelShape shape) {
    JsonObject config = new JsonObject();
    config.addProperty("image_processor_type", "SiglipImageProcessor");
    config.addProperty("do_resize", true);
    config.addProperty("do_rescale", true);
    config.addProperty("do_normalize", true);
    config.addProperty("resample", 3);
    config.addProperty("rescale_factor", 1 / 255.0);
    JsonArray half = new JsonArray();
    for (int i = 0; i < 3; i++) {
      half.add(0.5);
    }
    config.add("image_mean", half);
    config.add("image_std", half.deepCopy());
    JsonObject size = new JsonObject();
    size.addProperty("height", shape.imageSize());
    size.addProperty("width", shape.imageSize());
    config.add("size", size);
    return config;
  }
}
