// SPDX-License-Identifier: Apache-2.0
// One value that describes any model of the VILA family: everything later stages need to know, as data.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/dtype.h"
#include "vila/vila.h"

namespace vila {

enum class Activation { silu, gelu_erf, gelu_tanh, quick_gelu };

/// The decoder: pre-norm RMSNorm, SwiGLU, half-split RoPE over the whole head, causal GQA.
struct LanguageSpec {
  std::string model_type;           ///< "llama" or "qwen2"
  int64_t hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, intermediate = 0, vocab = 0;
  double rope_theta = 10000;
  double rope_scale = 1;            ///< positions are divided by this (linear scaling)
  double rms_eps = 1e-5;
  int64_t max_positions = 0;        ///< after scaling: the longest sequence the model takes
  bool tied_head = false;           ///< lm_head is embed_tokens
  bool qkv_bias = false;
  std::string prefix;               ///< before "model.layers.0..." in tensor names
  std::string head_prefix;          ///< before "lm_head.weight"
  int64_t bos_id = -1, pad_id = -1;
  std::vector<int32_t> eos_ids;     ///< of config.json and generation_config.json together
  /// How the linear layers of the decoder blocks are stored: "none" means plain [out,in] tensors, the others are awq.h's. Where the
  /// configuration does not say so, it is found when the tensors are opened.
  enum class Packing { none, llm_awq_v2, llm_awq_v1, awq_gemm } packing = Packing::none;
  int64_t packing_group = 128;  ///< input columns that share a scale, where packed
  /// Of a packed checkpoint, the linear layers of decoder blocks that are plain all the same (their tensors' names without
  /// ".weight"); known when the tensors are open.
  std::set<std::string> plain_linears;
};

struct VisionSpec {
  enum class Kind { clip, siglip, internvit } kind = Kind::siglip;
  int64_t hidden = 0, layers = 0, heads = 0, head_dim = 0, intermediate = 0;
  int64_t patch = 14, image = 384;  ///< side in pixels; floor(image/patch)^2 patches, the rest of the pixels is unused
  Activation activation = Activation::gelu_tanh;
  double norm_eps = 1e-6;
  int64_t run_layers = 0;           ///< blocks to run: select layer -2 is layers-1
  bool drop_class_token = false;    ///< select feature "patch" on a tower with a class token
  std::string prefix;               ///< before "vision_model.embeddings..." or, internvit, "embeddings..."
  bool has_class_token() const { return kind != Kind::siglip; }
  int64_t grid() const { return patch > 0 ? image / patch : 0; }
  /// Tokens of one crop as selected.
  int64_t tokens() const { return grid() * grid() + (has_class_token() && !drop_class_token ? 1 : 0); }
};

/// From the features of a crop (or merged crops) to language tokens.
struct ProjectorSpec {
  enum class Kind { mlp, downsample } kind = Kind::mlp;
  std::string type;                 ///< as the checkpoint names it: "linear", "mlp2x_gelu", "mlp_downsample", ...
  int64_t input = 0;                ///< channels that enter (after any concatenation of scales)
  int64_t output = 0;               ///< hidden size of the language model
  int64_t window = 1;               ///< downsample: 2 or 3; zero rows and columns are appended at bottom and right
  bool column_major = false;        ///< downsample: merged token t is (t mod n, t div n) as (row, column), VILA1.5's order
  /// The layers in order; `index` is the number in the tensor name ("<prefix><index>.weight").
  struct Layer {
    enum class Kind { linear, layer_norm, gelu } kind;
    std::string name;               ///< tensor name without ".weight"/".bias"; empty for gelu
    int64_t in = 0, out = 0;        ///< linear: features; layer_norm: in == out
  };
  std::vector<Layer> layers;
  double norm_eps = 1e-5;
};

/// From an image to the crops that enter the tower, and from their features to the projector.
struct PreprocessSpec {
  enum class Fit {
    squash,      ///< to the target size, ignoring the aspect ratio
    pad,         ///< to a square with `pad_color`, then to the target size
    center_crop, ///< shortest edge to the target, then the middle
  } fit = Fit::squash;
  int64_t size = 384;               ///< side of the square that enters (S2: the largest scale)
  std::array<uint8_t, 3> pad_color{};
  std::array<float, 3> mean{}, stddev{};
  double rescale = 1.0 / 255.0;
  /// Multi-scale (VILA1.5-3b-s2): ascending sides; empty otherwise.
  std::vector<int64_t> scales;
  int64_t split_size = 0;           ///< S2: side of the crops the scales are cut into
  int64_t output_scale = 0;         ///< S2: index of the scale whose map size the others are pooled to; -1 is the last
  enum class Tiling { none, dynamic, dynamic_s2 } tiling = Tiling::none;
  int64_t min_tiles = 1, max_tiles = 12;
};

struct TokenizerSpec {
  enum class Kind { sentencepiece, bpe_json, bpe_files } kind = Kind::sentencepiece;
  std::string folder;               ///< where tokenizer.model, tokenizer.json, vocab.json ... lie
  /// tokenizer.model: stands over the "legacy" of tokenizer_config.json (see SentencePieceTokenizer). VILA 1.0 and 1.5 load with
  /// legacy=False whatever the file says.
  std::optional<bool> legacy = std::nullopt;
};

struct PromptSpec {
  std::string template_id;          ///< the checkpoint's own; see the template table
  std::string template_reason;      ///< why it was chosen, one phrase for doctor
  std::optional<std::string> system;  ///< stands in template_id for the table's system text
  bool without_system = false;      ///< template_id is written without its system turn, unless the prompt has a system text
  bool strip_turns = false;         ///< NVILA: white space at both ends of a turn is left out
  /// VILA 1.0/1.5 tokenise each chunk between images alone; NVILA and llava-hf tokenise in one pass with an image token.
  enum class Tokenization { chunks, inline_token } tokenization = Tokenization::chunks;
  int64_t image_token_id = -200;
  bool newline_after_image = false; ///< NVILA: each image's embeddings are followed by those of "\n"
  int64_t max_length = 4096;        ///< positions of the expanded sequence
};

struct ModelSpec {
  std::string path;                 ///< the checkpoint folder
  std::string family;               ///< "vila1.0", "vila1.5", "nvila", "llava1.5"
  LanguageSpec language;
  VisionSpec vision;
  ProjectorSpec projector;
  PreprocessSpec preprocess;
  TokenizerSpec tokenizer;
  PromptSpec prompt;
  VideoSampling video;
  DType weight_dtype = DType::bf16;  ///< of the language model's weights (of those that are not packed)
  bool synthetic = false;  ///< the files hold no weights of linear layers (session/synthetic.h), plans draw them at random
  /// Features of one block that enters the projector: those of one crop, or of the merged scales' map.
  int64_t projector_tokens() const;
  /// Image tokens of one block, which is what one untiled image gives.
  int64_t tokens_per_image() const;
};

}  // namespace vila
