// SPDX-License-Identifier: Apache-2.0
// In which numbers the plans of a device (backend tensorrt) compute.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "graph/dialect.h"

namespace vila {

/// A compute type, and perhaps a form in which linear layers are kept.
struct DevicePrecision {
  std::string name;                        ///< "fp16", "int4"
  DType compute = DType::f16;              ///< of caches too
  std::optional<graph::QdqFormat> format;  ///< none: weights in the compute type
  /// Least cosine between what such a plan gives and what float32 gives for a fresh plan to be kept.
  double least_cosine = 0;
  /// fp16 sums of products lose too much over long prompts: attention then computes in float32.
  bool wide_attention() const { return compute == DType::f16; }
};

/// "fp16", "bf16", "fp32"; "fp8", "int8", "int4", which compute in bf16 where the checkpoint is in bf16, else in fp16; "default": the
/// checkpoint's own of fp16 and bf16. Throws invalid_argument for another name.
DevicePrecision parse_device_precision(const std::string& name, DType checkpoint);

/// The same in words, with the packed layers of a language model that has some.
std::string describe(const DevicePrecision& precision, const LanguageSpec& language);

/// What one position takes in the KV cache.
int64_t kv_bytes_per_token(const LanguageSpec& language, const DevicePrecision& precision);

}  // namespace vila
