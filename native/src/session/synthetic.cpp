// SPDX-License-Identifier: Apache-2.0
#include "session/synthetic.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <system_error>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/config_readers.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/random.h"
#include "tokenizer/byte_level.h"

namespace vila {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 2;          // Counts up when other files are written: it is part of the folder's name.
constexpr size_t kPiece = 1 << 16;  // numbers written at once
constexpr float kDeviation = 0.1F;  // of norms around 1 and of biases around 0

Json llama(int64_t layers, int64_t hidden, int64_t heads, int64_t kv_heads, int64_t intermediate, int64_t vocab, double theta,
           int64_t positions) {
  return {{"model_type", "llama"},       {"torch_dtype", "bfloat16"},           {"hidden_size", hidden},
          {"num_hidden_layers", layers}, {"num_attention_heads", heads},        {"num_key_value_heads", kv_heads},
          {"vocab_size", vocab},         {"intermediate_size", intermediate},   {"rms_norm_eps", 1e-5},
          {"rope_theta", theta},         {"max_position_embeddings", positions}};
}

Json siglip() {
  return {{"model_type", "siglip_vision_model"},
          {"hidden_act", "gelu_pytorch_tanh"},
          {"hidden_size", 1152},
          {"num_hidden_layers", 27},
          {"layer_norm_eps", 1e-6},
          {"num_attention_heads", 16},
          {"intermediate_size", 4304},
          {"patch_size", 14},
          {"image_size", 384}};
}

Json clip() {
  return {{"model_type", "clip_vision_model"}, {"hidden_act", "quick_gelu"}, {"hidden_size", 1024},
          {"num_hidden_layers", 24},           {"layer_norm_eps", 1e-5},     {"num_attention_heads", 16},
          {"intermediate_size", 4096},         {"patch_size", 14},           {"image_size", 336}};
}

std::vector<SyntheticModel> models() {
  return {{"vila1.5-3b", llama(32, 2560, 20, 20, 6912, 32000, 1e4, 4096), siglip(), "mlp_downsample", "resize"},
          {"llama3-8b", llama(32, 4096, 32, 8, 14336, 128256, 5e5, 8192), siglip(), "mlp_downsample", "resize"},
          {"vila-7b", llama(32, 4096, 32, 32, 11008, 32000, 1e4, 4096), clip(), "mlp2x_gelu", "pad"},
          {"vila-13b", llama(40, 5120, 40, 40, 13824, 32000, 1e4, 4096), clip(), "mlp2x_gelu", "pad"}};
}

/// A file that is written from front to back, whose failures name it.
class OutFile {
 public:
  explicit OutFile(const fs::path& path) : path_(path.string()), out_(path, std::ios::binary | std::ios::trunc) { check(); }
  void write(const void* data, size_t size) {
    out_.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    check();
  }
  void skip(uint64_t bytes) {
    out_.seekp(static_cast<std::streamoff>(bytes), std::ios::cur);
    check();
  }
  /// Ends the file where writing has come to, also behind a hole.
  void close() {
    const std::streamoff end = out_.tellp();
    out_.close();
    check();
    std::error_code error;
    fs::resize_file(path_, static_cast<uintmax_t>(end), error);
    if (error) fail(ErrorCode::io, path_, ": cannot be written: ", error.message());
  }

 private:
  void check() const {
    if (!out_) fail(ErrorCode::io, path_, ": cannot be written: ", std::strerror(errno));
  }

  std::string path_;
  std::ofstream out_;
};

void write_text(const fs::path& path, const std::string& text) {
  OutFile file(path);
  file.write(text.data(), text.size());
  file.close();
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(ErrorCode::io, path.string(), ": cannot be made: ", error.message());
}

void write_tokenizer(const fs::path& folder) {
  Json vocabulary = Json::object();
  for (int byte = 0; byte < 256; ++byte) vocabulary[bytes_to_letters(std::string(1, static_cast<char>(byte)))] = byte;
  write_text(folder / "vocab.json", vocabulary.dump());
  write_text(folder / "merges.txt", "#version: 0.2\n");
  write_text(folder / "tokenizer_config.json", R"({"eos_token": null, "pad_token": null, "unk_token": null})");
}

/// Matrices are holes, but for the tower's position embeddings.
bool is_hole(const NeededTensor& tensor) {
  return tensor.shape.size() == 2 && tensor.name.find("position_embed") == std::string::npos;
}

uint64_t elements(const NeededTensor& tensor) {
  uint64_t count = 1;
  for (const int64_t dim : tensor.shape) count *= static_cast<uint64_t>(dim);
  return count;
}

/// Rows of tables have elements around 0 with deviation 1, kernels of convolutions 1/sqrt(inputs).
void write_random(OutFile& file, const NeededTensor& tensor) {
  const uint64_t count = elements(tensor);
  const bool vector = tensor.shape.size() == 1;
  const float mean = vector && !tensor.name.ends_with(".bias") ? 1.0F : 0.0F;
  const float inputs = tensor.shape.size() > 2 ? static_cast<float>(count) / static_cast<float>(tensor.shape[0]) : 1.0F;
  const float width = std::sqrt(12.0F) * (vector ? kDeviation : 1 / std::sqrt(inputs));  // of a uniform distribution
  Random random(Hasher().text(tensor.name).finish().low);
  std::vector<uint16_t> piece;
  for (uint64_t left = count; left > 0; left -= piece.size()) {
    piece.resize(static_cast<size_t>(std::min<uint64_t>(left, kPiece)));
    for (uint16_t& value : piece) {
      const float unit = static_cast<float>(random.next() >> 40) / static_cast<float>(1 << 24) - 0.5F;
      value = static_cast<uint16_t>(std::bit_cast<uint32_t>(mean + width * unit) >> 16);  // bf16, rounded towards zero
    }
    file.write(piece.data(), piece.size() * sizeof(uint16_t));
  }
}

void write_weights(const fs::path& folder, const std::vector<NeededTensor>& tensors) {
  Json header = Json::object();
  uint64_t end = 0;
  for (const NeededTensor& tensor : tensors) {
    const uint64_t begin = end;
    end += elements(tensor) * sizeof(uint16_t);
    header[tensor.name] = {{"dtype", "BF16"}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t length = text.size();
  OutFile file(folder / "model.safetensors");
  file.write(&length, sizeof length);
  file.write(text.data(), text.size());
  for (const NeededTensor& tensor : tensors) {
    is_hole(tensor) ? file.skip(elements(tensor) * sizeof(uint16_t)) : write_random(file, tensor);
  }
  file.close();
}

}  // namespace

SyntheticModel synthetic_model(const std::string& name) {
  std::string known;
  for (SyntheticModel& model : models()) {
    if (name == model.name) return std::move(model);
    known += (known.empty() ? "" : ", ") + model.name;
  }
  fail(ErrorCode::invalid_argument, "synthetic model: \"", name, "\", expected one of ", known);
}

void write_synthetic(const SyntheticModel& model, const std::string& folder) {
  const fs::path root(folder), language = root / "llm", tower = root / "vision_tower", projector = root / "mm_projector";
  for (const fs::path& path : {language, tower, projector}) make_folder(path);
  const Json config = {
      {"model_type", "llava_llama"}, {"vila4j_synthetic", true}, {"chat_template", "plain"}, {"image_aspect_ratio", model.aspect}};
  write_text(root / "config.json", config.dump(2));
  write_text(language / "config.json", model.language.dump(2));
  write_text(tower / "config.json", model.tower.dump(2));
  write_text(projector / "config.json", Json{{"mm_projector_type", model.projector}}.dump(2));
  write_tokenizer(language);
  const ModelSpec spec = read_model_spec(folder);
  write_weights(language, needed_tensors(spec, ModelPart::language));
  write_weights(tower, needed_tensors(spec, ModelPart::vision));
  write_weights(projector, needed_tensors(spec, ModelPart::projector));
}

std::string cached_synthetic(const SyntheticModel& model, const std::string& dir) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const std::string folder = join(dir, "/synthetic-", kFormat, "-", model.name);
  if (is_folder(folder)) return folder;
  struct Temporary {
    std::string path;
    ~Temporary() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  } const temporary{join(folder, ".", ::getpid(), ".tmp")};
  write_synthetic(model, temporary.path);
  std::error_code error;
  fs::rename(temporary.path, folder, error);
  if (error && !is_folder(folder)) fail(ErrorCode::io, folder, ": cannot be made: ", error.message());
  return folder;
}

}  // namespace vila
