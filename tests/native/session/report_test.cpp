// SPDX-License-Identifier: Apache-2.0
// inspect_checkpoint: figures of the releases in their real sizes (files without content), and of checkpoints that cannot run.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "checkpoint/needed_tensors.h"
#include "checkpoint/patch_json.h"
#include "kernels/packed_matrix.h"
#include "session/precision_choice.h"
#include "session/report.h"
#include "session/rounding_noise.h"
#include "session/synthetic.h"
#include "support/byte_tokenizer.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"
#include "vila/vila.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;
using Layout = RandomCheckpoint::Layout;
using Tower = RandomCheckpoint::Tower;

namespace {

constexpr int64_t kKibibyte = 1024;

/// What is published of a release, or follows from its layer list alone.
struct Figures {
  std::string family, prompt_template;
  int64_t language_parameters = 0;
  int64_t tower_parameters = 0;   ///< of the layers that are run
  int64_t projector_bytes = 0;    ///< in bf16
  int64_t file_bytes = 0;         ///< of every tensor, used or not
  int64_t kv_bytes_fp16 = 0;      ///< of one position
  int32_t tokens_per_image = 0, least = 0, most = 0;
  int32_t context = 0;
};

struct Release {
  std::string name;
  RandomCheckpoint shape;
  Figures figures;
  std::function<void(const fs::path&)> change = [](const fs::path&) {};
};

void use_llama(RandomCheckpoint& s, int64_t hidden, int64_t layers, int64_t heads, int64_t kv_heads, int64_t intermediate,
               int64_t vocab) {
  s.hidden = hidden, s.layers = layers, s.heads = heads, s.kv_heads = kv_heads, s.intermediate = intermediate, s.vocab = vocab;
  s.max_positions = 4096;
  s.tokenizer = data("cases/vila15-llama2-siglip/tokenizer");
  s.dtype = DType::bf16;
  s.sparse = true;
}

void use_qwen2(RandomCheckpoint& s) {
  use_llama(s, 3584, 28, 28, 4, 18944, 151648);
  s.qwen2 = true, s.rope_theta = 1e6, s.rms_eps = 1e-6, s.max_positions = 32768, s.shards = 4;
  s.tokenizer.clear();
}

void use_siglip(RandomCheckpoint& s, int64_t image, bool head) {
  s.tower = Tower::siglip, s.vision_hidden = 1152, s.vision_layers = 27, s.vision_heads = 16, s.vision_intermediate = 4304;
  s.patch = 14, s.image = image, s.vision_head = head;
}

void use_clip(RandomCheckpoint& s) {
  s.tower = Tower::clip, s.vision_hidden = 1024, s.vision_layers = 24, s.vision_heads = 16, s.vision_intermediate = 4096;
  s.patch = 14, s.image = 336, s.projector = "mlp2x_gelu";
}

void write_qwen2_tokenizer(const fs::path& folder) {
  write_byte_tokenizer(folder / "llm", {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "[BOS]", "[PAD]"});
}

Release vila15_3b() {
  Release r{"VILA1.5-3b", {}, {"vila1.5", "vicuna_v1", 2701560320, 397745440, 36728832, 0, 320 * kKibibyte, 196, 196, 196, 4096}};
  use_llama(r.shape, 2560, 32, 20, 20, 6912, 32000);
  use_siglip(r.shape, 384, true);
  r.shape.shards = 2;
  r.figures.file_bytes = 2 * 2701560320 + 856451200 + 36728832;
  return r;
}

std::vector<Release> releases() {
  std::vector<Release> all = {vila15_3b()};
  {
    Release r = vila15_3b();
    r.name = "VILA1.5-3b-s2";
    r.shape.s2_scales = "384,768";
    r.figures.file_bytes += 60340224 - r.figures.projector_bytes;
    r.figures.projector_bytes = 60340224;
    r.change = [](const fs::path& folder) { patch_json(folder / "config.json", R"({"s2_max_split_size": 384})"); };
    all.push_back(r);
  }
  {
    Release r{"Llama-3-VILA1.5-8B", {},
              {"vila1.5", "llama_3", 8030261248, 397745440, 71337984, 0, 128 * kKibibyte, 196, 196, 196, 4096}};
    use_llama(r.shape, 4096, 32, 32, 8, 14336, 128256);
    use_siglip(r.shape, 384, true);
    r.shape.max_positions = 8192, r.shape.rope_theta = 5e5, r.shape.shards = 4;  // its tokenizer says 4096
    r.shape.tokenizer = data("cases/vila15-llama3-siglip/model/llm");
    r.figures.file_bytes = 2 * 8030261248 + 856451200 + 71337984;
    r.change = [](const fs::path& folder) { patch_json(folder / "llm/config.json", R"({"eos_token_id": 1009})"); };
    all.push_back(r);
  }
  {
    Release r{"VILA1.5-13b", {},
              {"vila1.5", "vicuna_v1", 13015864320, 397745440, 99653632, 0, 800 * kKibibyte, 196, 196, 196, 4096}};
    use_llama(r.shape, 5120, 40, 40, 40, 13824, 32000);
    use_siglip(r.shape, 384, true);
    r.shape.shards = 6;
    r.figures.file_bytes = 2 * 13015864320 + 856451200 + 99653632;
    all.push_back(r);
  }
  {
    Release r{"VILA1.5-40b", {},
              {"vila1.5", "hermes-2", 34388917248, 5536496000, 286341120, 0, 240 * kKibibyte, 256, 256, 256, 4096}};
    use_llama(r.shape, 7168, 60, 56, 8, 20480, 64000);
    r.shape.tower = Tower::internvit, r.shape.vision_hidden = 3200, r.shape.vision_layers = 45, r.shape.vision_heads = 25;
    r.shape.vision_intermediate = 12800, r.shape.patch = 14, r.shape.image = 448;
    r.shape.rope_theta = 5e6, r.shape.shards = 15;
    r.figures.file_bytes = 2 * 34388917248 + 11072992000 + 286341120;
    r.change = [](const fs::path& folder) {
      patch_json(folder / "config.json", R"({"mm_vision_select_layer": -1})");
      patch_json(folder / "llm/tokenizer_config.json", R"({"added_tokens_decoder": {
        "640": {"content": "<|im_start|>", "special": true}, "641": {"content": "<|im_end|>", "special": true}}})");
    };
    all.push_back(r);
  }
  {
    Release r{"NVILA-8B", {}, {"nvila", "qwen2", 7612634624, 398085280, 124850176, 0, 56 * kKibibyte, 256, 2304, 3072, 32768}};
    use_qwen2(r.shape);
    use_siglip(r.shape, 448, false);
    r.shape.aspect = "dynamic_s2", r.shape.s2_scales = "448,896,1344";
    r.figures.file_bytes = 2 * 7612634624 + 826654176 + 124850176;
    r.change = [](const fs::path& folder) {
      write_qwen2_tokenizer(folder);
      patch_json(folder / "config.json", R"({"dynamic_s2": true, "s2_resize_output_to_scale_idx": -1})");
    };
    all.push_back(r);
  }
  {
    Release r{"NVILA-Lite-8B", {}, {"nvila", "qwen2", 7612634624, 398085280, 122202880, 0, 56 * kKibibyte, 121, 121, 1573, 32768}};
    use_qwen2(r.shape);
    use_siglip(r.shape, 448, false);
    r.shape.aspect = "dynamic", r.shape.projector = "mlp_downsample_3x3_fix";
    r.figures.file_bytes = 2 * 7612634624 + 826654176 + 122202880;
    r.change = write_qwen2_tokenizer;
    all.push_back(r);
  }
  {
    Release r{"VILA-7b", {}, {"vila1.0", "vicuna_v1", 6738415616, 290909184, 41959424, 0, 512 * kKibibyte, 576, 576, 576, 4096}};
    use_llama(r.shape, 4096, 32, 32, 32, 11008, 32000);
    use_clip(r.shape);
    r.shape.layout = Layout::one_folder_inside, r.shape.aspect = "pad", r.shape.shards = 3;
    r.figures.file_bytes = 14125805568;
    all.push_back(r);
  }
  {
    Release r{"llava-1.5-7b-hf", {},
              {"llava1.5", "llava15", 6738939904, 290909184, 41959424, 0, 512 * kKibibyte, 576, 576, 576, 4096}};
    use_llama(r.shape, 4096, 32, 32, 32, 11008, 32064);
    use_clip(r.shape);
    r.shape.layout = Layout::llava_hf, r.shape.shards = 3;
    r.figures.file_bytes = 2 * 6738939904 + 2 * 303507456 + 41959424;
    r.change = [](const fs::path& folder) {
      patch_json(folder / "config.json", R"({"image_token_index": 640})");
      patch_json(folder / "tokenizer_config.json", R"({"added_tokens_decoder": {
        "640": {"content": "<image>", "special": true}, "641": {"content": "<pad>", "special": true}}})");
    };
    all.push_back(r);
  }
  return all;
}

constexpr uint64_t kPlenty = 1ULL << 50;

CheckpointReport report_of(const fs::path& folder, const Release& release, uint64_t memory) {
  if (!fs::exists(folder)) {
    write_checkpoint(folder, release.shape);
    release.change(folder);
  }
  return vila::report_of(folder.string(), memory);
}

int64_t embedding(const Release& r) { return r.shape.vocab * r.shape.hidden; }
int64_t rotary_bytes(const Release& r) { return r.shape.max_positions * (r.shape.hidden / r.shape.heads) * 4; }

/// Whether `found` is `wanted` plus at most `more`.
bool at_most_more(int64_t found, int64_t wanted, int64_t more) { return found >= wanted && found <= wanted + more; }

/// Bytes of the files that Model::compile() lists: "language-fp32-....onnx: 1234 bytes, compiled".
int64_t compiled_bytes(const std::string& model, const LoadOptions& options) {
  int64_t sum = 0;
  for (const std::string& line : Model::compile(model, options, nullptr)) {
    sum += std::strtoll(line.c_str() + line.find(": ") + 2, nullptr, 10);
  }
  return sum;
}

}  // namespace

TEST_CASE("report: the releases in their real sizes") {
  for (const Release& release : releases()) {
    CAPTURE(release.name);
    const TempDir dir;
    const CheckpointReport report = report_of(dir / "model", release, kPlenty);
    const Figures& wanted = release.figures;
    CHECK(report.problems == std::vector<std::string>{});
    CHECK(report.info.family == wanted.family);
    CHECK(report.info.prompt_template == wanted.prompt_template);
    CHECK_FALSE(report.template_reason.empty());
    CHECK(report.templates.size() >= 11);
    CHECK(report.info.precision == "fp32");
    CHECK(report.info.weight_dtype == "bf16");
    CHECK(report.language.parameters == wanted.language_parameters);
    CHECK(report.language.bytes == 2 * wanted.language_parameters);
    CHECK(report.vision.parameters == wanted.tower_parameters);
    CHECK(report.projector.bytes == wanted.projector_bytes);
    const int64_t outside = (release.shape.qwen2 ? 28 * (3584 + 2 * 512) : 0) + (2 * release.shape.layers + 1) * release.shape.hidden;
    CHECK(report.info.block_parameters == report.language.parameters - 2 * embedding(release) - outside);  // biases and norms
    CHECK(report.info.parameters == report.language.parameters + report.vision.parameters + report.projector.parameters);
    CHECK(at_most_more(report.file_bytes, wanted.file_bytes, 1 << 18));  // the files' headers
    CHECK(report.info.kv_bytes_per_token == 2 * wanted.kv_bytes_fp16);
    CHECK(report.info.tokens_per_image == wanted.tokens_per_image);
    CHECK(report.min_single_image_tokens == wanted.least);
    CHECK(report.max_single_image_tokens == wanted.most);
    CHECK(report.video_frames == 8);
    CHECK(report.video_tokens == 8 * wanted.tokens_per_image);
    CHECK(report.info.context_length == wanted.context);
    CHECK(report.tokenizer_size > 256);
    // Everything but the embedding table is widened to fp32; a plan's own constants are small.
    const int64_t rotary = rotary_bytes(release);
    CHECK(at_most_more(report.weight_memory_bytes, 4 * (report.info.parameters - embedding(release)) + rotary, 1 << 16));
    CHECK(at_most_more(report.plan_bytes, rotary, 1 << 20));
  }
}

TEST_CASE("report: a packed release") {
  Release release = vila15_3b();
  release.shape.packing = AwqPacking::llm_awq_v2, release.shape.group = 128;
  const TempDir dir;
  const CheckpointReport report = report_of(dir / "model", release, kPlenty);
  CHECK(report.problems == std::vector<std::string>{});
  CHECK(report.info.weight_dtype == "awq int4, group 128");
  CHECK(report.info.precision == "fp32, weights int4 group 128");
  CHECK(report.language.parameters == release.figures.language_parameters);
  // A layer of 128 * g inputs: codes, fp32 scales and corrections of each group, zero points of two groups a byte.
  const auto packed = [](int64_t out, int64_t groups) { return out * (64 * groups + 8 * groups + (groups + 1) / 2); };
  const int64_t blocks = 32 * (4 * packed(2560, 20) + 2 * packed(6912, 20) + packed(2560, 54));
  const int64_t norms = 4 * 65 * 2560;
  const int64_t language = blocks + norms + 4 * embedding(release) + rotary_bytes(release);
  const int64_t others = 4 * (report.vision.parameters + report.projector.parameters);
  CHECK(at_most_more(report.weight_memory_bytes, language + others, 1 << 16));
  CHECK(at_most_more(report.plan_bytes, blocks + rotary_bytes(release), 1 << 20));
}

TEST_CASE("report: the precision that the memory allows, and why") {
  Release release = vila15_3b();
  const TempDir dir;
  const auto report = [&](double gigabytes) { return report_of(dir / "model", release, static_cast<uint64_t>(gigabytes * 1e9)); };
  // 3117.7 million parameters: 4 bytes each, or 2, or a byte and a 16th, or in the decoder's blocks, 2537.6 million, half a byte
  // and a 16th.
  CHECK(report(21).info.precision == "fp32");
  CHECK(report(21).precision_reason == "fp32 takes 12.5 GB, within 0.6 of the memory (21.0 GB)");
  CHECK(report(20).info.precision == "bf16");
  CHECK(report(20).precision_reason == "fp32 takes 12.5 GB, bf16 takes 6.24 GB, within 0.6 of the memory (20.0 GB)");
  CHECK(report(10).info.precision == "int8");
  CHECK(report(10).precision_reason ==
        "fp32 takes 12.5 GB, bf16 takes 6.24 GB, int8 takes 3.31 GB, within 0.6 of the memory (10.0 GB)");
  CHECK(report(5).info.precision == "int4");
  CHECK(report(5).precision_reason ==
        "fp32 takes 12.5 GB, bf16 takes 6.24 GB, int8 takes 3.31 GB, int4 takes 2.04 GB, within 0.6 of the memory (5.00 GB)");
  CHECK(report(1).info.precision == "int4");
  CHECK(report(1).precision_reason ==
        "fp32 takes 12.5 GB, bf16 takes 6.24 GB, int8 takes 3.31 GB, int4 takes 2.04 GB, also more than 0.6 of the memory "
        "(1.00 GB)");
  CHECK(report(0).info.precision == "fp32");
  CHECK(report(0).precision_reason == "fp32 takes 12.5 GB; how much memory there is, is not known");
  for (const double memory : {20, 10}) CHECK(report(memory).info.kv_bytes_per_token == release.figures.kv_bytes_fp16);
  // In memory the blocks' layers are as small as their bits; the embedding table is not counted.
  const double blocks = 32.0 * (4 * 2560 * 2560 + 3 * 2560 * 6912);
  const double others = static_cast<double>(report(5).info.parameters - 32000 * 2560) - blocks;
  const auto bytes = [&](double memory) { return static_cast<double>(report(memory).weight_memory_bytes); };
  CHECK(std::abs(bytes(20) / (2 * (blocks + others)) - 1) < 0.01);
  CHECK(std::abs(bytes(10) / ((blocks + others) * 8.5 / 8) - 1) < 0.01);
  CHECK(at_most_more(report(20).plan_bytes, rotary_bytes(release), 1 << 20));  // the checkpoint's own files hold the weights
  CHECK(std::abs(bytes(5) / (blocks * 4.5 / 8 + others * 8.5 / 8) - 1) < 0.01);
}

TEST_CASE("images only: the precision is chosen by the tower and the projector alone") {
  const Release release = vila15_3b();
  const TempDir dir;
  write_checkpoint(dir / "model", release.shape);
  const auto checkpoint = Checkpoint::open((dir / "model").string());
  const auto reason = [&](bool images_only, double gigabytes) {
    return resolve_precision("default", *checkpoint, images_only, static_cast<uint64_t>(gigabytes * 1e9)).reason;
  };
  // 416.1 million parameters, 4 bytes each; with the language model 3117.7 million.
  CHECK(release.figures.tower_parameters + release.figures.projector_bytes / 2 == 416109856);
  CHECK(reason(true, 3) == "fp32 takes 1.66 GB, within 0.6 of the memory (3.00 GB)");
  CHECK(reason(false, 3).find("int4 takes 2.04 GB, also more than") != std::string::npos);
}

TEST_CASE("report: a packed release in int4 keeps its groups of 128 with two fp16 numbers each") {
  Release release = vila15_3b();
  release.shape.packing = AwqPacking::llm_awq_v2, release.shape.group = 128;
  const TempDir dir;
  const CheckpointReport report = report_of(dir / "model", release, uint64_t{2} << 30);
  CHECK(report.problems == std::vector<std::string>{});
  CHECK(report.info.precision == "int4, weights int4 group 128");
  const double blocks = 32.0 * (4 * 2560 * 2560 + 3 * 2560 * 6912);
  const double others = static_cast<double>(report.info.parameters - 32000 * 2560) - blocks;
  CHECK(std::abs(static_cast<double>(report.weight_memory_bytes) / (blocks * (4 + 32.0 / 128) / 8 + others * 8.5 / 8) - 1) < 0.01);
}

TEST_CASE("peaks: a rate, and threads that are none") {
  for (double (*peak)(int32_t) : {int8_peak, bf16_peak}) {
    CHECK(peak(1) > 1e6);
    CHECK(peak(0) > 1e6);
    CHECK(error_of([peak] { peak(-1); }) == "1:threads: -1, expected 0 to 1024");
  }
}

TEST_CASE("report: a synthetic model never runs in fp32") {
  SyntheticModel model = synthetic_model("vila1.5-3b");
  model.language.update({{"hidden_size", 80}, {"num_attention_heads", 2}, {"num_key_value_heads", 2}, {"intermediate_size", 200}});
  model.tower.update({{"hidden_size", 48}, {"num_attention_heads", 2}, {"intermediate_size", 72}, {"image_size", 56}});
  const TempDir dir;
  const std::string folder = (dir / "model").string();
  write_synthetic(model, folder);
  CHECK(vila::report_of(folder, kPlenty).info.precision == "bf16");
  CHECK(vila::report_of(folder, kPlenty).precision_reason.starts_with("bf16 takes "));
  CHECK(vila::report_of(folder, 1).info.precision == "int4");
  LoadOptions options;
  options.cache_dir = (dir / "cache").string();
  CHECK(Model::load(folder, options, nullptr).info().precision == "bf16");
  CHECK(std::abs(vila::report_of(folder, kPlenty).plan_bytes - compiled_bytes(folder, options)) <= 500 * 100);
}

TEST_CASE("report: quantised plans take the bytes that were foretold") {
  RandomCheckpoint shape;
  shape.tokenizer = data("cases/vila15-llama2-siglip/tokenizer");
  shape.hidden = 128, shape.intermediate = 192;
  for (const bool packed : {false, true}) {
    CAPTURE(packed);
    if (packed) shape.packing = AwqPacking::llm_awq_v1;
    const TempDir dir;
    const std::string model = (dir / "model").string();
    write_checkpoint(model, shape);
    LoadOptions options;
    options.cache_dir = (dir / "cache").string();
    options.precision = "int4";
    const CheckpointReport report = vila::report_of(model, 1);
    REQUIRE(report.problems == std::vector<std::string>{});
    const int64_t found = compiled_bytes(model, options);
    CHECK(report.info.precision == (packed ? "int4, weights int4 group 32" : "int4"));
    int64_t kept = 0;  // of layers that stay at 8 bits, which is not foretold: what these take more
    if (!packed) {
      const auto checkpoint = Checkpoint::open(model);
      const LanguageSpec& language = checkpoint->spec().language;
      const KeptLayers layers = kept_layers(noise_text(rounding_noise(language, checkpoint->language(), [](double) {})));
      for (int64_t i = 0; i < language.layers; ++i) {
        for (const LinearLayer& layer : block_linears(language, i)) kept += layers.contains(layer.name) ? layer.out * layer.in / 2 : 0;
      }
    }
    const std::string loaded = Model::load(model, options, nullptr).info().precision;
    CHECK(loaded.starts_with(report.info.precision));
    CHECK((loaded == report.info.precision) == (kept == 0));
    // Plans name files in the cache, foretold were those of the checkpoint: a tensor in each of less than 50 layers.
    CHECK(std::abs(report.plan_bytes + kept - found) <= 50 * 100);
  }
}

TEST_CASE("report: plans in bf16 take the bytes that were foretold") {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    CAPTURE(name_of(dtype));
    RandomCheckpoint shape;
    shape.tokenizer = data("cases/vila15-llama2-siglip/tokenizer");
    shape.hidden = 128, shape.intermediate = 192, shape.dtype = dtype;
    const TempDir dir;
    const std::string model = (dir / "model").string();
    write_checkpoint(model, shape);
    const auto parameters = static_cast<uint64_t>(inspect_checkpoint(model).info.parameters);
    const CheckpointReport report = vila::report_of(model, 4 * parameters);  // 0.6 of it hold 2 bytes each, and not 4
    REQUIRE(report.problems == std::vector<std::string>{});
    REQUIRE(report.info.precision == "bf16");
    LoadOptions options;
    options.cache_dir = (dir / "cache").string();
    options.precision = "bf16";
    const int64_t found = compiled_bytes(model, options);
    // As above, a file in the cache has another name than one of the checkpoint.
    CHECK(std::abs(report.plan_bytes - found) <= (dtype == DType::bf16 ? 16 : 50 * 100));
  }
}

TEST_CASE("report: plans take the bytes that were foretold") {
  for (const bool packed : {false, true}) {
    CAPTURE(packed);
    RandomCheckpoint shape;
    shape.tokenizer = data("cases/vila15-llama2-siglip/tokenizer");
    shape.hidden = 128, shape.intermediate = 192;
    if (packed) shape.packing = AwqPacking::llm_awq_v2;
    const TempDir dir;
    const std::string model = (dir / "model").string();
    write_checkpoint(model, shape);
    LoadOptions options;
    options.cache_dir = (dir / "cache").string();
    const CheckpointReport report = inspect_checkpoint(model);
    REQUIRE(report.problems == std::vector<std::string>{});
    const int64_t found = compiled_bytes(model, options);
    CHECK(report.info.precision == Model::load(model, options, nullptr).info().precision);
    // A packed plan names a file in the cache, foretold was one of the checkpoint: four tensors in each of 14 layers.
    CHECK(std::abs(report.plan_bytes - found) <= (packed ? 4 * 14 * 100 : 16));
  }
}

TEST_CASE("report: what cannot be run has every problem, and the figures that are known") {
  RandomCheckpoint shape;
  shape.tokenizer = data("cases/vila15-llama2-siglip/tokenizer");
  const TempDir dir;
  write_checkpoint(dir.path(), shape);
  const std::string folder = dir.path().string();
  const CheckpointReport whole = inspect_checkpoint(folder);
  CHECK(whole.problems == std::vector<std::string>{});

  write_file(dir / "llm/tokenizer.model", "not a model");
  patch_json(dir / "mm_projector/config.json", R"({"mm_projector_type": "qformer"})");
  const CheckpointReport report = inspect_checkpoint(folder);
  REQUIRE(report.problems.size() == 2);
  CHECK(report.problems[0].starts_with(folder + "/mm_projector/config.json: mm_projector_type is \"qformer\", supported are "));
  CHECK(report.problems[1].starts_with(folder + "/llm/tokenizer.model: "));
  CHECK(report.language.parameters == whole.language.parameters);
  CHECK(report.projector.parameters == 0);
  CHECK(report.tokenizer == "SentencePiece, tokenizer.model");
  CHECK(report.tokenizer_size == 0);
  CHECK(report.info.tokens_per_image == 0);
  CHECK(report.max_single_image_tokens == 0);
  CHECK(report.plan_bytes == 0);
  CHECK(report.weight_memory_bytes == 0);

  const CheckpointReport nothing = inspect_checkpoint(folder + "/nowhere");
  CHECK(nothing.problems == std::vector<std::string>{folder + "/nowhere: no such folder"});
  CHECK(nothing.info.path == folder + "/nowhere");
  CHECK(nothing.info.family.empty());
}

TEST_CASE("report: an image token that the tokenizer does not have") {
  RandomCheckpoint shape;
  shape.layout = Layout::llava_hf, shape.tower = Tower::clip;
  shape.tokenizer = data("cases/vila15-llama2-siglip/tokenizer");
  const TempDir dir;
  write_checkpoint(dir.path(), shape);
  patch_json(dir / "config.json", R"({"image_token_index": 900})");
  const CheckpointReport report = inspect_checkpoint(dir.path().string());
  REQUIRE(report.problems.size() == 1);
  CHECK(report.problems[0].starts_with("image token id is 900, expected an id of the tokenizer, 0 to "));
}
