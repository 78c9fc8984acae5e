// SPDX-License-Identifier: Apache-2.0
// Every name shared by graph builders and runtime.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace vila::graph::names {

inline constexpr const char* kPixelValues = "pixel_values";
inline constexpr const char* kVisionFeatures = "vision_features";
inline constexpr const char* kFeatures = "features";
inline constexpr const char* kProjected = "projected";
inline constexpr const char* kInputsEmbeds = "inputs_embeds";
inline constexpr const char* kSeqlensK = "seqlens_k";
inline constexpr const char* kTotalSequenceLength = "total_sequence_length";
inline constexpr const char* kKvMemory = "kv_memory";
inline constexpr const char* kKvCapacity = "kv_capacity";
inline constexpr const char* kPastLengths = "past_lengths";  ///< TensorRT dialect
inline constexpr const char* kLogits = "logits";
inline constexpr const char* kHiddenStates = "hidden_states";
inline std::string past_key(int64_t i) { return "past_key." + std::to_string(i); }
inline std::string past_value(int64_t i) { return "past_value." + std::to_string(i); }
inline std::string present_key(int64_t i) { return "present_key." + std::to_string(i); }
inline std::string present_value(int64_t i) { return "present_value." + std::to_string(i); }

/// Domain of vila4j's own operators, and namespace of its TensorRT plugins.
inline constexpr const char* kVila = "vila";
// plan/onnxruntime/custom_ops.h
inline constexpr const char* kBf16Linear = "Bf16Linear";
inline constexpr const char* kPackedLinear = "PackedLinear";
inline constexpr const char* kPackedLinears = "PackedLinears";
inline constexpr size_t kPackedLinearsCount = 3;
inline constexpr const char* kPackedGated = "PackedGated";
inline constexpr const char* kDecodeAttention = "DecodeAttention";  ///< tensorrt_dialect.h
inline constexpr const char* kPluginVersion = "1";

}  // namespace vila::graph::names
