// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.training;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.github.vila4j.shapes.text.BytePairs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;

/** Checkpoints in the layout of VILA1.5: config.json, llm, vision_tower, mm_projector. */
final class ModelFolder {
  private static final Part[] PARTS = {Part.VISION_TOWER, Part.MM_PROJECTOR, Part.LLM};
  private static final String CONFIG = "config.json";
  private static final String WEIGHTS = "model.safetensors";

  private ModelFolder() {}

  /** Writes a checkpoint, its weights in bfloat16, or in float32 for exact comparisons. */
  static void write(Path folder, Weights weights, BytePairs tokenizer, boolean bfloat16) throws IOException {
    ModelShape shape = weights.shape();
    float[] values = weights.values();
    JsonObject config = config(shape, tokenizer, bfloat16 ? "bfloat16" : "float32");
    for (Part part : PARTS) {
      Path own = Files.createDirectories(folder.resolve(part.folder()));
      Map<String, Safetensors.Values> tensors = new LinkedHashMap<>();
      for (Weights.Entry entry : weights.entries()) {
        if (entry.part() == part) {
          int from = (int) entry.offset();
          tensors.put(entry.name(), new Safetensors.Values(entry.shape(), Arrays.copyOfRange(values, from, from + entry.size())));
        }
      }
      Safetensors.write(own.resolve(WEIGHTS), tensors, bfloat16, Map.of("format", "pt"));
      Json.write(own.resolve(CONFIG), config.get(part.folder() + "_cfg"));
    }
    Json.write(folder.resolve("vision_tower/preprocessor_config.json"), preprocessor(shape));
    TokenizerFiles.write(folder.resolve("llm"), tokenizer);
    Json.write(folder.resolve(CONFIG), config);
  }

  /** Reads what {@link #write} wrote; what no checkpoint keeps is zero. A file that {@code write} would write otherwise is refused. */
  static TrainedModel read(Path folder) throws IOException {
    Path file = folder.resolve(CONFIG);
    JsonObject config = Json.read(file, JsonObject.class);
    BytePairs tokenizer = TokenizerFiles.read(folder.resolve("llm"));
    ModelShape shape = shape(file, config, tokenizer);
    boolean bfloat16 = config.has("model_dtype") && config.get("model_dtype").equals(new JsonPrimitive("torch.bfloat16"));
    compare(file, "", config, config(shape, tokenizer, bfloat16 ? "bfloat16" : "float32"));
    Weights weights = new Weights(shape);
    try {
      float[] values = weights.values();
      for (Part part : PARTS) {
        read(folder.resolve(part.folder()).resolve(WEIGHTS), part, weights.entries(), values);
      }
      weights.set(values);
    } catch (IOException e) {
      weights.close();
      throw e;
    }
    return new TrainedModel(weights, tokenizer);
  }

  private static void read(Path file, Part part, List<Weights.Entry> entries, float[] values) throws IOException {
    Map<String, Safetensors.Values> tensors = Safetensors.read(file);
    for (Weights.Entry entry : entries) {
      if (entry.part() == part) {
        Safetensors.Values tensor = tensors.remove(entry.name());
        String found = tensor == null ? "missing" : Arrays.toString(tensor.shape());
        String expected = Arrays.toString(entry.shape());
        if (!found.equals(expected)) {
          throw new IOException(file + ": " + entry.name() + " is " + found + ", expected " + expected);
        }
        System.arraycopy(tensor.values(), 0, values, (int) entry.offset(), entry.size());
      }
    }
    if (!tensors.isEmpty()) {
      throw new IOException(file + ": " + tensors.keySet().iterator().next() + " is no weight of such a model");
    }
  }

  /** The part of a configuration that one part of the model has. */
  private record PartConfig(Path file, String key, JsonObject values) {
    static PartConfig of(Path file, JsonObject config, Part part) throws IOException {
      String key = part.folder() + "_cfg";
      if (!(config.get(key) instanceof JsonObject values)) {
        throw new IOException(file + ": " + key + " is " + found(config.get(key)) + ", expected an object");
      }
      return new PartConfig(file, key, values);
    }

    int size(String name) throws IOException {
      JsonElement value = values.get(name);
      if (!(value instanceof JsonPrimitive number && number.isNumber() && number.getAsInt() > 0)) {
        throw new IOException(file + ": " + key + "." + name + " is " + found(value) + ", expected a number above 0");
      }
      return number.getAsInt();
    }
  }

  /** The sizes that a configuration names; that of the vocabulary is the tokenizer's. */
  private static ModelShape shape(Path file, JsonObject config, BytePairs tokenizer) throws IOException {
    PartConfig tower = PartConfig.of(file, config, Part.VISION_TOWER);
    PartConfig llm = PartConfig.of(file, config, Part.LLM);
    return new ModelShape(
        tower.size("image_size"), tower.size("patch_size"), tower.size("hidden_size"), tower.size("num_attention_heads"),
        tower.size("intermediate_size"), tower.size("num_hidden_layers"), llm.size("hidden_size"), llm.size("num_hidden_layers"),
        llm.size("num_attention_heads"), llm.size("num_key_value_heads"), llm.size("head_dim"), llm.size("intermediate_size"),
        tokenizer.size());
  }

  /** Refuses a configuration that says anything else than the one that would be written. */
  private static void compare(Path file, String key, JsonElement found, JsonElement expected) throws IOException {
    if (found instanceof JsonObject a && expected instanceof JsonObject b) {
      Set<String> names = new TreeSet<>(a.keySet());
      names.addAll(b.keySet());
      for (String name : names) {
        compare(file, key.isEmpty() ? name : key + "." + name, a.get(name), b.get(name));
      }
    } else if (!Objects.equals(found, expected)) {
      throw new IOException(file + ": " + key + " is " + found(found) + ", expected " + (expected == null ? "none" : expected));
    }
  }

  private static String found(JsonElement value) {
    return value == null ? "missing" : value.toString();
  }

  private static JsonObject config(ModelShape shape, BytePairs tokenizer, String type) {
    JsonObject projector = new JsonObject();
    architecture(projector, "MultimodalProjector");
    projector.addProperty("mm_projector_type", "mlp_downsample");
    projector.addProperty("model_type", "v2l_projector");
    projector.addProperty("torch_dtype", type);
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
    root.add("llm_cfg", language(shape, tokenizer, type));
    root.add("vision_tower_cfg", tower(shape, type));
    root.add("mm_projector_cfg", projector);
    return root;
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
