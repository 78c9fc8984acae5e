// SPDX-License-Identifier: Apache-2.0
// The attention plugin without TensorRT around it: what it tells TensorRT, and its enqueue against plain sums.
#include "plan/tensorrt/decode_attention_plugin.h"

#include <limits>
#include <memory>

#include "cuda/attention_step.h"
#include "cuda/device.h"
#include "support/npy.h"
#include "vila/vila.h"

using namespace vila;                  // NOLINT
using namespace vila::testing;         // NOLINT
using namespace vila::plan::tensorrt;  // NOLINT
using nvinfer1::DataType;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginFieldType;
using nvinfer1::PluginTensorDesc;
using nvinfer1::TensorFormat;
using nvinfer1::TensorRTPhase;

namespace {

/// Keeps the log's lines while it lives.
class Lines final : public LogListener {
 public:
  Lines() { set_log_listener(this, LogLevel::trace); }
  ~Lines() override { set_log_listener(nullptr, LogLevel::error); }
  void on_log(LogLevel level, const std::string& message) override {
    lines.push_back(std::to_string(static_cast<int>(level)) + message);
  }
  std::vector<std::string> lines;
};

nvinfer1::Dims dims(const std::vector<int64_t>& of) {
  nvinfer1::Dims result{};
  for (const int64_t dim : of) result.d[result.nbDims++] = dim;
  return result;
}

struct Shapes {
  int64_t batch = 2, heads = 4, kv_heads = 2, head_dim = 64, capacity = 300;
};

/// Inputs and, last, the output.
std::vector<PluginTensorDesc> tensors(const Shapes& of, DataType type) {
  const std::vector<int64_t> q{of.batch, of.heads, 1, of.head_dim}, cache{of.batch, of.kv_heads, of.capacity, of.head_dim};
  std::vector<PluginTensorDesc> result;
  for (const auto& shape : {q, cache, cache}) result.push_back({dims(shape), type, TensorFormat::kLINEAR, 0});
  result.push_back({dims({of.batch}), DataType::kINT32, TensorFormat::kLINEAR, 0});
  result.push_back({dims(q), type, TensorFormat::kLINEAR, 0});
  return result;
}

/// The same where the batch is 1 to of.batch.
std::vector<DynamicPluginTensorDesc> dynamic(const Shapes& of, DataType type) {
  std::vector<DynamicPluginTensorDesc> result;
  Shapes open = of, one = of;
  open.batch = -1, one.batch = 1;
  const std::vector<PluginTensorDesc> desc = tensors(open, type), least = tensors(one, type), most = tensors(of, type);
  for (size_t i = 0; i < desc.size(); ++i) result.push_back({desc[i], least[i].dims, most[i].dims, most[i].dims});
  return result;
}

std::unique_ptr<DecodeAttentionPlugin> made(DecodeAttentionCreator& creator, const std::vector<PluginField>& fields,
                                            TensorRTPhase phase) {
  const PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
  return std::unique_ptr<DecodeAttentionPlugin>(
      static_cast<DecodeAttentionPlugin*>(creator.createPlugin("node", &collection, phase)));
}

PluginField scale_field(const float& scale) { return {"scale", &scale, PluginFieldType::kFLOAT32, 1}; }

/// As a network has it.
std::unique_ptr<DecodeAttentionPlugin> built(DecodeAttentionCreator& creator, float scale) {
  return made(creator, {scale_field(scale)}, TensorRTPhase::kBUILD);
}

}  // namespace

TEST_CASE("attention plugin: from the network to the plan to a context, and then every length, split and type") {
  const std::vector<AttentionCase> cases = {
      {4, 2, 64, 300, 0, DType::f16, {300, 1}, {}},       {4, 2, 64, 300, 0, DType::bf16, {299, 63, 2, 65}, {}},
      {8, 1, 128, 137, 0, DType::f16, {137}, {}},         {7, 7, 80, 70, 0, DType::bf16, {69, 70, 1}, {}},
      {6, 3, 96, 513, 0, DType::f16, {513, 512, 64}, {}}, {2, 1, 16, 1, 0, DType::f16, {1}, {}},
      {1, 1, 64, 2100, 0, DType::f16, {2099}, {}},
  };
  DecodeAttentionCreator creator(cuda::decode_attention_functions());
  uint32_t seed = 40;
  for (const AttentionCase& c : cases) {
    ++seed;
    CAPTURE(seed);
    const AttentionStep data(c, seed);
    const DataType type = c.type == DType::f16 ? DataType::kHALF : DataType::kBF16;
    const Shapes shapes{data.batch(), c.heads, c.kv_heads, c.head_dim, c.capacity};
    // The graph's field, the plan's fields.
    const auto network = built(creator, data.scale());
    REQUIRE(network != nullptr);
    const std::vector<DynamicPluginTensorDesc> bounds = dynamic(shapes, type);
    REQUIRE(network->configurePlugin(bounds.data(), 4, bounds.data() + 4, 1) == 0);
    const size_t bytes = network->getWorkspaceSize(bounds.data(), 4, bounds.data() + 4, 1);
    const PluginFieldCollection& saved = *network->getFieldsToSerialize();
    const auto loaded = made(creator, {saved.fields, saved.fields + saved.nbFields}, TensorRTPhase::kRUNTIME);
    REQUIRE(loaded != nullptr);
    CHECK(std::string(loaded->getMetadataString()) == network->getMetadataString());
    const std::unique_ptr<nvinfer1::IPluginV3> context(loaded->attachToContext(nullptr));
    REQUIRE(context != nullptr);
    auto* runtime =
        static_cast<nvinfer1::IPluginV3OneRuntime*>(context->getCapabilityInterface(nvinfer1::PluginCapabilityType::kRUNTIME));
    const std::vector<PluginTensorDesc> now = tensors(shapes, type);
    REQUIRE(runtime->onShapeChange(now.data(), 4, now.data() + 4, 1) == 0);

    const DeviceArray<uint16_t> q(data.q), keys(data.keys), values(data.values), out(data.q.size());
    const DeviceArray<int32_t> lengths(c.lengths);
    const DeviceArray<uint8_t> workspace(bytes + 64);
    const std::vector<const void*> inputs{q.get(), keys.get(), values.get(), lengths.get()};
    void* outputs[] = {out.get()};
    REQUIRE(runtime->enqueue(now.data(), now.data() + 4, inputs.data(), outputs, workspace.get(), nullptr) == 0);
    CHECK(data.worst(out.read()) < 5e-5);
    const std::vector<uint8_t> after = workspace.read();
    CHECK(std::all_of(after.begin() + static_cast<std::ptrdiff_t>(bytes), after.end(), [](uint8_t byte) { return byte == 0xA5; }));
  }
}

TEST_CASE("attention plugin: one cache, every length from 1 to its capacity, rows beyond it NaN") {
  DecodeAttentionCreator creator(cuda::decode_attention_functions());
  for (int32_t length = 1; length <= 131; ++length) {
    CAPTURE(length);
    const AttentionCase c{3, 1, 24, 131, 0, length % 2 == 0 ? DType::f16 : DType::bf16, {length}, {}};
    const AttentionStep data(c, static_cast<uint32_t>(length));
    const DataType type = c.type == DType::f16 ? DataType::kHALF : DataType::kBF16;
    const Shapes shapes{1, c.heads, c.kv_heads, c.head_dim, c.capacity};
    const auto plugin = built(creator, data.scale());
    const std::vector<DynamicPluginTensorDesc> bounds = dynamic(shapes, type);
    const std::vector<PluginTensorDesc> now = tensors(shapes, type);
    const DeviceArray<uint16_t> q(data.q), keys(data.keys), values(data.values), out(data.q.size());
    const DeviceArray<int32_t> lengths(c.lengths);
    const DeviceArray<uint8_t> workspace(plugin->getWorkspaceSize(bounds.data(), 4, bounds.data() + 4, 1));
    const std::vector<const void*> inputs{q.get(), keys.get(), values.get(), lengths.get()};
    void* outputs[] = {out.get()};
    REQUIRE(plugin->enqueue(now.data(), now.data() + 4, inputs.data(), outputs, workspace.get(), nullptr) == 0);
    CHECK(data.worst(out.read()) < 5e-5);
  }
}

TEST_CASE("attention plugin: the workspace is enough for every batch of the profile, and follows the number in the plan") {
  DecodeAttentionCreator creator(cuda::decode_attention_functions());
  const float scale = 1;
  for (const int32_t multiprocessors : {1, 7, 132}) {
    const auto plugin = made(creator, {scale_field(scale), {"multiprocessors", &multiprocessors, PluginFieldType::kINT32, 1}},
                             TensorRTPhase::kRUNTIME);
    REQUIRE(plugin != nullptr);
    CHECK(std::string(plugin->getTimingCacheID()) == "scale=1 multiprocessors=" + std::to_string(multiprocessors));
    const Shapes largest{70, 8, 2, 128, 4096};
    const std::vector<DynamicPluginTensorDesc> bounds = dynamic(largest, DataType::kHALF);
    const size_t bytes = plugin->getWorkspaceSize(bounds.data(), 4, bounds.data() + 4, 1);
    size_t most = 0;
    for (int32_t batch = 1; batch <= 70; ++batch) {
      const int32_t splits = cuda::decode_attention_splits(batch, 2, 4096, multiprocessors);
      most = std::max(most, sizeof(float) * cuda::decode_attention_workspace(batch, 8, 128, splits));
    }
    CHECK(bytes == most);
    CHECK(bytes > 0);
  }
}

TEST_CASE("attention plugin: types, formats and shapes") {
  DecodeAttentionCreator creator(cuda::decode_attention_functions());
  const auto plugin = built(creator, 1);
  REQUIRE(plugin != nullptr);
  CHECK(std::string(plugin->getPluginName()) == creator.getPluginName());
  CHECK(std::string(plugin->getPluginNamespace()) == creator.getPluginNamespace());
  CHECK(std::string(plugin->getPluginVersion()) == creator.getPluginVersion());
  CHECK(plugin->getNbOutputs() == 1);
  for (const DataType type : {DataType::kHALF, DataType::kBF16}) {
    const auto good = dynamic({}, type);
    for (int32_t i = 0; i < 5; ++i) {
      CAPTURE(i);
      CHECK(plugin->supportsFormatCombination(i, good.data(), 4, 1));
      auto bad = good;
      bad[static_cast<size_t>(i)].desc.format = TensorFormat::kCHW16;
      CHECK(!plugin->supportsFormatCombination(i, bad.data(), 4, 1));
      for (const DataType other : {DataType::kFLOAT, DataType::kHALF, DataType::kBF16, DataType::kINT32, DataType::kINT64}) {
        bad = good;
        bad[static_cast<size_t>(i)].desc.type = other;
        const bool same = other == good[static_cast<size_t>(i)].desc.type;
        const bool first = i == 0 && (other == DataType::kHALF || other == DataType::kBF16);  // the others follow it
        CHECK(plugin->supportsFormatCombination(i, bad.data(), 4, 1) == (same || first));
      }
    }
    CHECK(!plugin->supportsFormatCombination(5, good.data(), 4, 1));
    CHECK(!plugin->supportsFormatCombination(0, good.data(), 3, 1));
    const DataType inputs[] = {type, type, type, DataType::kINT32};
    DataType output = DataType::kFLOAT;
    CHECK(plugin->getOutputDataTypes(&output, 1, inputs, 4) == 0);
    CHECK(output == type);
  }
}

TEST_CASE("attention plugin: what is wrong is a line of log and a failure") {
  DecodeAttentionCreator creator(cuda::decode_attention_functions());
  const float scale = 1, infinite = std::numeric_limits<float>::infinity();
  const int32_t count = 8, none = 0;
  const auto plugin = built(creator, scale);
  REQUIRE(plugin != nullptr);
  const Lines heard;
  const auto said = [&](const auto& call) {
    const size_t before = heard.lines.size();
    const bool failed = call();
    const std::string line =
        heard.lines.size() == before + 1 ? heard.lines.back() : std::to_string(heard.lines.size() - before) + " lines";
    const std::string prefix = std::to_string(static_cast<int>(LogLevel::error)) + "TensorRT plugin DecodeAttention: ";
    return !failed ? "success" : line.starts_with(prefix) ? line.substr(prefix.size()) : line;
  };
  const auto refused = [&](const std::vector<PluginField>& fields, TensorRTPhase phase) {
    return said([&] { return made(creator, fields, phase) == nullptr; });
  };
  const PluginField multiprocessors{"multiprocessors", &count, PluginFieldType::kINT32, 1};
  CHECK(refused({}, TensorRTPhase::kBUILD) == "there is no field scale");
  CHECK(refused({multiprocessors}, TensorRTPhase::kRUNTIME) == "there is no field scale");
  CHECK(refused({scale_field(scale)}, TensorRTPhase::kRUNTIME) == "there is no field multiprocessors");
  CHECK(refused({scale_field(infinite)}, TensorRTPhase::kBUILD) == "scale inf, expected a finite number");
  CHECK(refused({{"scale", &scale, PluginFieldType::kFLOAT32, 2}}, TensorRTPhase::kBUILD) ==
        "field scale has type 1 and length 2, expected type 1 and length 1");
  CHECK(refused({{"scale", &count, PluginFieldType::kINT32, 1}}, TensorRTPhase::kBUILD) ==
        "field scale has type 5 and length 1, expected type 1 and length 1");
  CHECK(refused({scale_field(scale), {"multiprocessors", &none, PluginFieldType::kINT32, 1}}, TensorRTPhase::kRUNTIME) ==
        "multiprocessors 0, expected 1 to 65536");

  const auto shape = [&](const auto& change) {
    std::vector<PluginTensorDesc> now = tensors({}, DataType::kHALF);
    change(now);
    return said([&] { return plugin->onShapeChange(now.data(), 4, now.data() + 4, 1) != 0; });
  };
  CHECK(shape([](auto&) {}) == "success");
  CHECK(shape([](auto& t) { t[0].dims.d[2] = 2; }) == "positions of q: 2, expected 1");
  CHECK(shape([](auto& t) { t[0].dims.nbDims = 3; }) == "dimensions of q: 3, expected 4");
  CHECK(shape([](auto& t) { t[1].dims.d[3] = 128; }) == "head_dim of keys: 128, expected 64");
  CHECK(shape([](auto& t) { t[2].dims.d[2] = 299; }) == "dimension of values: 299, expected 300");
  CHECK(shape([](auto& t) { t[3].dims.d[0] = 3; }) == "batch: 3, expected 2");
  CHECK(shape([](auto& t) { t[0].dims.d[1] = 5; }) == "5 heads over 2, expected a multiple of at most 65535");
  CHECK(shape([](auto& t) { t[0].dims.d[3] = t[1].dims.d[3] = t[2].dims.d[3] = 36; }) ==
        "head_dim 36, expected a multiple of 8 from 8 to 128");
  CHECK(shape([](auto& t) { t[1].dims.d[2] = t[2].dims.d[2] = 0; }) == "capacity 0, expected 1 to 1073741824");

  const DataType types[] = {DataType::kFLOAT, DataType::kFLOAT, DataType::kFLOAT, DataType::kINT32};
  DataType type = DataType::kFLOAT;
  CHECK(said([&] { return plugin->getOutputDataTypes(&type, 1, types, 4) != 0; }) ==
        "q has TensorRT's type 0, expected fp16 or bf16");
  const std::vector<PluginTensorDesc> now = tensors({}, DataType::kHALF);
  const std::vector<const void*> inputs(4, nullptr);
  void* outputs[] = {nullptr};
  CHECK(said([&] { return plugin->enqueue(now.data(), now.data() + 4, inputs.data(), outputs, nullptr, nullptr) != 0; }) ==
        "decode_attention: q is null, expected device memory");
}
