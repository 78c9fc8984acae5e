// SPDX-License-Identifier: Apache-2.0
#include "session/device_precision.h"

#include "common/error.h"

namespace vila {

DevicePrecision parse_device_precision(const std::string& name, DType checkpoint) {
  const bool brain = checkpoint == DType::bf16;
  const DType narrow = brain ? DType::bf16 : DType::f16;
  if (name == "default") return parse_device_precision(brain ? "bf16" : "fp16", checkpoint);
  if (name == "fp32") return {name, DType::f32, std::nullopt, 0.9999};
  if (name == "fp16") return {name, DType::f16, std::nullopt, 0.999};
  if (name == "bf16") return {name, DType::bf16, std::nullopt, 0.99};
  if (name == "fp8") return {name, narrow, graph::QdqFormat::fp8, 0.97};
  if (name == "int8") return {name, narrow, graph::QdqFormat::int8, 0.98};
  if (name == "int4") return {name, narrow, graph::QdqFormat::int4, 0.8};
  fail(ErrorCode::invalid_argument, "precision: \"", name, "\", expected default, fp32, fp16, bf16, fp8, int8 or int4 for the backend tensorrt");
}

std::string describe(const DevicePrecision& precision, const LanguageSpec& language) {
  if (language.packing == LanguageSpec::Packing::none) return precision.name;
  return join(precision.name, ", weights int4 group ", language.packing_group);
}

int64_t kv_bytes_per_token(const LanguageSpec& language, const DevicePrecision& precision) {
  return 2 * language.layers * language.kv_heads * language.head_dim * static_cast<int64_t>(size_of(precision.compute));
}

}  // namespace vila
