// SPDX-License-Identifier: Apache-2.0
// Writes safetensors files and whole random checkpoints, for tests that need a model of a chosen shape.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/dtype.h"

namespace vila::testing {

/// Round to nearest, ties to even; overflow gives infinity, NaN stays NaN.
uint16_t f32_to_bf16(float value);
uint16_t f32_to_f16(float value);

/// A tensor as it goes into a file. `dtype` is the format's spelling ("BF16"); nothing is checked, so that damaged files can be
/// written too.
struct FileTensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

/// A tensor of float values, rounded to f32, f16 or bf16.
FileTensor float_tensor(const std::string& name, DType dtype, const std::vector<int64_t>& shape, const std::vector<float>& values);

/// Writes `tensors` one behind the other, in their order, with a header padded to 8 bytes.
void write_safetensors(const std::filesystem::path& path, const std::vector<FileTensor>& tensors);
/// A file with this header text and these data bytes, whatever they are.
void write_safetensors_raw(const std::filesystem::path& path, const std::string& header, const std::string& data);

/// Layouts of 4-bit linear layers (awq_packer.h).
enum class AwqPacking { llm_awq_v2, llm_awq_v1, awq_gemm };

/// What a random checkpoint looks like. The defaults give a tiny valid VILA1.5 model.
struct RandomCheckpoint {
  enum class Layout {
    three_folders,      ///< VILA1.5: llm/, vision_tower/, mm_projector/
    one_folder,         ///< VILA 1.0, the tower in the sub-folder "tower"
    one_folder_inside,  ///< VILA 1.0, the tower's tensors among the language model's, its configuration in "tower"
    llava_hf,           ///< llava-hf: text_config and vision_config in one config.json
  } layout = Layout::three_folders;
  enum class Tower { clip, siglip, internvit } tower = Tower::siglip;
  uint64_t seed = 1;         ///< same seed, same bytes
  DType dtype = DType::f32;  ///< of every weight
  /// Zeros instead of random numbers, as holes of files that take no room on disk: for models of real size.
  bool sparse = false;
  int64_t shards = 1;        ///< files of the language model; more than one makes an index

  bool qwen2 = false;  ///< three_folders: a Qwen2 language model (biases on q, k, v), hence an NVILA
  int64_t hidden = 32, layers = 2, heads = 4, kv_heads = 2, intermediate = 48, vocab = 640;
  double rope_theta = 10000, rms_eps = 1e-5;
  int64_t max_positions = 512;
  bool tied_head = false;

  std::optional<AwqPacking> packing;  ///< of the linear layers of the decoder's blocks
  int64_t group = 32;                 ///< columns that share a scale, where packed
  bool quantization_config = false;   ///< whether the configuration says so
  bool unpacked_down = false;         ///< packed, but for every down_proj
  /// Not empty: the language model is a PyTorch file of this name, beside an index of shards that are not there, as in VILA's AWQ
  /// releases (three_folders). With `dequantized` it is a safetensors file all the same.
  std::string language_pt;
  /// Instead of the packed tensors, the plain fp32 ones that they stand for; all else is the same.
  bool dequantized = false;

  int64_t vision_hidden = 24, vision_layers = 3, vision_heads = 2, vision_intermediate = 40, patch = 4, image = 20;
  bool vision_head = false;  ///< siglip: with the attention-pooling head that its releases have and VILA does not use
  std::string projector = "mlp_downsample";
  std::string aspect = "resize";  ///< image_aspect_ratio
  std::string s2_scales;          ///< not empty: three_folders with s2 (or dynamic_s2, by `aspect`) on these sides

  /// A folder whose tokenizer files are copied in (not its config.json); its vocabulary must fit `vocab`. Empty: none, and
  /// reading the checkpoint's spec throws not_found.
  std::filesystem::path tokenizer;
};

/// Writes the checkpoint into `folder` (made if missing), tensor after tensor: memory stays far below the checkpoint's size.
/// Linear weights are uniform with standard deviation 1/sqrt(inputs), norm weights close to 1, biases small.
void write_checkpoint(const std::filesystem::path& folder, const RandomCheckpoint& shape);

}  // namespace vila::testing
