// SPDX-License-Identifier: Apache-2.0
// quantization_config as AutoAWQ and transformers write it.
#include <algorithm>
#include <cctype>

#include "checkpoint/awq.h"
#include "checkpoint/config_readers.h"

namespace vila {
namespace {

using Packing = LanguageSpec::Packing;

Packing packing_of(const JsonObject& config) {
  std::string version = config.string("version");
  std::transform(version.begin(), version.end(), version.begin(), [](unsigned char c) { return std::tolower(c); });
  if (version == "gemm") return Packing::awq_gemm;
  if (version == "gemv") return Packing::llm_awq_v1;
  fail(ErrorCode::unsupported, config.name(), ": version is ", Json(version).dump(), ", supported are gemm and gemv");
}

}  // namespace

// modules_to_not_convert is not read: which layers are packed shows in their tensors' names. Without a version the layout shows in
// their shapes alone.
void read_quantization(LanguageSpec& language, const JsonObject& config) {
  if (!config.has("quantization_config")) return;
  const JsonObject quantization = config.object("quantization_config");
  const std::string method = quantization.string("quant_method");
  if (method != "awq") {
    fail(ErrorCode::unsupported, quantization.name(), ": quant_method is ", Json(method).dump(), ", supported is awq");
  }
  const int64_t bits = quantization.integer("bits", 1, 32, 4);
  if (bits != 4) fail(ErrorCode::unsupported, quantization.name(), ": bits is ", bits, ", supported is 4");
  if (!quantization.boolean("zero_point", true)) {
    fail(ErrorCode::unsupported, quantization.name(), ": zero_point is false, supported is true");
  }
  const int64_t group = quantization.integer("group_size", -1, kMaxWidth, kAwqGroups.front());
  if (std::find(kAwqGroups.begin(), kAwqGroups.end(), group) == kAwqGroups.end()) {
    fail(ErrorCode::unsupported, quantization.name(), ": group_size is ", group, ", supported are 128, 64 and 32");
  }
  if (!quantization.has("version")) return;
  const Packing packing = packing_of(quantization);
  if (language.packing != Packing::none && (language.packing != packing || language.packing_group != group)) {
    fail(ErrorCode::bad_file, quantization.name(), ": says ", name_of(packing), " with groups of ", group,
         ", the language model's own says ", name_of(language.packing), " with groups of ", language.packing_group);
  }
  language.packing = packing;
  language.packing_group = group;
}

}  // namespace vila
