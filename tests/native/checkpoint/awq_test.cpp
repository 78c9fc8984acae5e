// SPDX-License-Identifier: Apache-2.0
// AWQ's layouts: what is packed comes back, and is recognised by its tensors.
#include "checkpoint/awq.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <functional>

#include "checkpoint/needed_tensors.h"
#include "checkpoint/patch_json.h"
#include "support/awq_packer.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
using Packing = LanguageSpec::Packing;

namespace {

constexpr std::pair<Packing, AwqPacking> kPackings[] = {{Packing::llm_awq_v2, AwqPacking::llm_awq_v2},
                                                        {Packing::llm_awq_v1, AwqPacking::llm_awq_v1},
                                                        {Packing::awq_gemm, AwqPacking::awq_gemm}};

struct Sizes {
  int64_t out, in, group;
};
// Odd counts of groups; counts on both sides of the paddings' steps (8, 16 and 32 groups); rows that are no multiple of 16.
constexpr Sizes kSizes[] = {{8, 128, 128},    {24, 384, 128}, {4 * 8, 1024, 128}, {8, 9 * 128, 128}, {40, 17 * 128, 128},
                            {16, 64, 64},     {24, 192, 64},  {8, 17 * 64, 64},   {8, 16 * 64, 64},  {136, 64, 32},
                            {8, 33 * 64, 32}, {16, 128, 32},  {264, 320, 32}};

/// A file of one packed layer "l".
TensorStore store_of(const TempDir& folder, AwqPacking packing, const AwqMatrix& matrix) {
  write_safetensors(folder / "model.safetensors", pack_awq("l", packing, matrix));
  TensorStore store;
  store.add_folder(folder.path().string());
  return store;
}

RandomCheckpoint packed_checkpoint(AwqPacking packing) {
  RandomCheckpoint c;
  c.hidden = 128, c.heads = 4, c.kv_heads = 2, c.intermediate = 256, c.dtype = DType::f16;
  c.packing = packing, c.group = 64;
  c.tokenizer = data("cases/vila10-clip-linear/model");
  return c;
}

std::string open_error(const RandomCheckpoint& c, const std::function<void(const std::filesystem::path&)>& change) {
  const TempDir folder;
  write_checkpoint(folder.path(), c);
  change(folder.path());
  std::string message = error_of([&] { Checkpoint::open(folder.path().string()); });
  for (size_t at = message.find(folder.path().string()); at != std::string::npos; at = message.find(folder.path().string())) {
    message.replace(at, folder.path().string().size(), "{}");
  }
  return message;
}

std::string config_error(AwqPacking packing, const std::string& config) {
  return open_error(packed_checkpoint(packing), [&](const std::filesystem::path& folder) {
    patch_json(folder / "llm/config.json", R"({"quantization_config": )" + config + "}");
  });
}

}  // namespace

TEST_CASE("what is packed comes back exactly, in every layout") {
  uint64_t seed = 1;
  for (const auto& [packing, packer] : kPackings) {
    for (const Sizes& size : kSizes) {
      CAPTURE(name_of(packing));
      CAPTURE(size.out);
      CAPTURE(size.in);
      CAPTURE(size.group);
      const AwqMatrix matrix = random_awq(size.out, size.in, size.group, ++seed);
      const TempDir folder;
      const TensorStore store = store_of(folder, packer, matrix);
      const AwqLayout layout{packing, size.group, size.out, size.in};
      REQUIRE(awq_misfit(layout).empty());
      const auto parts = awq_tensors(layout);
      const auto part = [&](size_t i) -> const TensorRef& { return store.get("l" + parts.at(i).suffix, parts.at(i).shape); };
      const std::vector<uint8_t> codes = unpack_awq_codes(layout, part(0));
      const AwqScales scales = unpack_awq_scales(layout, part(1), part(2));
      std::vector<int> found;
      for (const uint8_t byte : codes) found.insert(found.end(), {byte & 15, byte >> 4});
      CHECK(found == matrix.codes);
      CHECK(scales.scales == matrix.scales);
      if (packing == Packing::llm_awq_v2) {
        CHECK(scales.zeros.empty());
        CHECK(scales.scaled_zeros == matrix.scaled_zeros);
      } else {
        CHECK(scales.scaled_zeros.empty());
        CHECK(std::vector<int>(scales.zeros.begin(), scales.zeros.end()) == matrix.zeros);
      }
      CHECK(dequantize_awq(layout, codes, scales) == awq_weights(packer, matrix));
    }
  }
}

TEST_CASE("tensors of a layer: llm-awq pads the rows of scales by 8, 16 or 32") {
  const auto rows = [](int64_t group, int64_t groups) {
    return awq_tensors({Packing::llm_awq_v2, group, 4, group * groups})[1].shape[0];
  };
  CHECK(rows(128, 1) == 8);
  CHECK(rows(128, 8) == 8);
  CHECK(rows(128, 9) == 16);
  CHECK(rows(128, 56) == 56);  // 7168 columns
  CHECK(rows(64, 1) == 16);
  CHECK(rows(64, 17) == 32);
  CHECK(rows(32, 2) == 32);
  CHECK(rows(32, 33) == 64);
  const auto v1 = awq_tensors({Packing::llm_awq_v1, 128, 24, 1152});
  CHECK(v1[0].shape == std::vector<int64_t>{24, 144});
  CHECK(v1[1].shape == std::vector<int64_t>{24, 16});
  CHECK(v1[2].shape == std::vector<int64_t>{24, 2});
}

TEST_CASE("the packing is recognised by tensors alone or with the configuration") {
  for (const auto& [packing, packer] : kPackings) {
    for (const bool named : {false, true}) {
      if (named && packing == Packing::llm_awq_v2) continue;
      for (const bool mixed : {false, true}) {
        RandomCheckpoint c = packed_checkpoint(packer);
        c.quantization_config = named, c.unpacked_down = mixed;
        const TempDir folder;
        write_checkpoint(folder.path(), c);
        const LanguageSpec config = read_model_spec(folder.path().string()).language;
        CHECK(config.packing == (named ? packing : Packing::none));
        if (!named) patch_json(folder.path() / "llm/config.json", R"({"quantization_config": {"quant_method": "awq", "bits": 4}})");
        const auto checkpoint = Checkpoint::open(folder.path().string());
        const LanguageSpec& spec = checkpoint->spec().language;
        CHECK(spec.packing == packing);
        CHECK(spec.packing_group == 64);
        CHECK(spec.plain_linears.size() == (mixed ? 2 : 0));
        CHECK(is_packed(spec, "model.layers.1.mlp.up_proj"));
        CHECK(is_packed(spec, "model.layers.1.mlp.down_proj") == !mixed);
        CHECK(checkpoint->spec().weight_dtype == DType::f16);
        c.dequantized = true;
        const TempDir plain;
        write_checkpoint(plain.path(), c);
        const auto same = Checkpoint::open(plain.path().string());
        CHECK(checkpoint->parameters() == same->parameters());
        CHECK(checkpoint->weight_bytes() < same->weight_bytes());
        CHECK(checkpoint->fingerprint() != same->fingerprint());
      }
    }
  }
}

TEST_CASE("quantisations that are not run are refused by name") {
  const auto gemm = [](const std::string& keys) {
    return config_error(AwqPacking::awq_gemm, R"({"quant_method": "awq", )" + keys + "}");
  };
  const std::string where = "5:{}/llm/config.json: quantization_config: ";
  CHECK(config_error(AwqPacking::awq_gemm, R"({"quant_method": "gptq", "bits": 4})") ==
        where + R"(quant_method is "gptq", supported is awq)");
  CHECK(config_error(AwqPacking::awq_gemm, R"({"quant_method": "bitsandbytes", "load_in_4bit": true})") ==
        where + R"(quant_method is "bitsandbytes", supported is awq)");
  CHECK(config_error(AwqPacking::awq_gemm, R"({"quant_method": "fp8"})") == where + R"(quant_method is "fp8", supported is awq)");
  CHECK(config_error(AwqPacking::awq_gemm, R"({"bits": 4})") ==
        "4:{}/llm/config.json: quantization_config: quant_method is missing, expected a string");
  CHECK(gemm(R"("bits": 3)") == where + "bits is 3, supported is 4");
  CHECK(gemm(R"("bits": 8)") == where + "bits is 8, supported is 4");
  CHECK(gemm(R"("group_size": 256)") == where + "group_size is 256, supported are 128, 64 and 32");
  CHECK(gemm(R"("group_size": -1)") == where + "group_size is -1, supported are 128, 64 and 32");
  CHECK(gemm(R"("zero_point": false)") == where + "zero_point is false, supported is true");
  CHECK(gemm(R"("version": "gemv_fast")") == where + R"(version is "gemv_fast", supported are gemm and gemv)");
}

TEST_CASE("tensors and configuration that contradict each other are refused") {
  CHECK(
      config_error(AwqPacking::awq_gemm, R"({"quant_method": "awq", "group_size": 64, "version": "gemv"})") ==
      "4:{}/llm: quantization_config says llm-awq v1 (GEMV) with groups of 64, but the tensors are AutoAWQ GEMM with groups of 64");
  CHECK(config_error(AwqPacking::llm_awq_v1, R"({"quant_method": "awq", "group_size": 128, "version": "GEMV"})") ==
        "4:{}/llm: quantization_config says llm-awq v1 (GEMV) with groups of 128, but the tensors are llm-awq v1 (GEMV) with "
        "groups of "
        "64");
  RandomCheckpoint twice = packed_checkpoint(AwqPacking::awq_gemm);
  twice.quantization_config = true;
  CHECK(
      open_error(twice,
                 [](const std::filesystem::path& folder) {
                   patch_json(folder / "config.json",
                              R"({"quantization_config": {"quant_method": "awq", "group_size": 32, "version": "gemm"}})");
                 }) ==
      "4:{}/config.json: quantization_config: says AutoAWQ GEMM with groups of 32, the language model's own says AutoAWQ GEMM with "
      "groups of 64");
  RandomCheckpoint plain;
  plain.tokenizer = data("cases/vila10-clip-linear/model");
  CHECK(open_error(plain, [](const std::filesystem::path& folder) {
          patch_json(folder / "llm/config.json", R"({"quantization_config": {"quant_method": "awq", "version": "gemm"}})");
        }) == "4:{}/llm: quantization_config says AutoAWQ GEMM with groups of 128, but no linear layer has a qweight");
}

TEST_CASE("packed tensors of another layout, and ones that are there twice, are refused") {
  const auto with = [](const std::vector<FileTensor>& tensors) {
    return open_error(packed_checkpoint(AwqPacking::awq_gemm), [&](const std::filesystem::path& folder) {
      const std::filesystem::path llm = folder / "llm";
      std::filesystem::rename(llm / "model.safetensors", llm / "model-1.safetensors");
      write_safetensors(llm / "model-2.safetensors", tensors);
      TensorStore all;
      all.add_file((llm / "model-1.safetensors").string());
      std::string map;
      for (const auto& [name, tensor] : all.all()) map += "\"" + name + "\": \"model-1.safetensors\",";
      for (const FileTensor& tensor : tensors) map += "\"" + tensor.name + "\": \"model-2.safetensors\",";
      map.pop_back();
      write_file(llm / "model.safetensors.index.json", "{\"weight_map\": {" + map + "}}");
    });
  };
  const std::string q = "model.layers.0.self_attn.q_proj";
  CHECK(with({float_tensor(q + ".weight", DType::f16, {1}, {0.0F})}) ==
        "4:{}/llm: holds both " + q + ".qweight and " + q + ".weight");
  // Groups of 16.
  RandomCheckpoint c = packed_checkpoint(AwqPacking::awq_gemm);
  c.group = 16;
  CHECK(open_error(c, [](const std::filesystem::path&) {}) ==
        "4:{}/llm: linear layer model.layers.0.mlp.down_proj has qweight int32 [256,16], scales fp16 [16,128], qzeros int32 "
        "[16,16], no "
        "scaled_zeros, which for [128,256] is no AWQ layout with groups of 128, 64 or 32");
}

TEST_CASE("square layers are recognised, too") {
  for (const auto& [packing, packer] : kPackings) {
    for (const int64_t group : kAwqGroups) {
      RandomCheckpoint c = packed_checkpoint(packer);
      c.intermediate = c.hidden, c.kv_heads = c.heads, c.group = group;
      const TempDir folder;
      write_checkpoint(folder.path(), c);
      const LanguageSpec spec = Checkpoint::open(folder.path().string())->spec().language;
      CHECK(spec.packing == packing);
      CHECK(spec.packing_group == group);
    }
  }
}
