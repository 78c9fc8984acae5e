// SPDX-License-Identifier: Apache-2.0
#include "session/parity.h"

#include <algorithm>
#include <cmath>

#include "common/error.h"
#include "graph/names.h"

namespace vila {
namespace names = graph::names;
namespace {

constexpr int64_t kTokens = 6;      // of the language check
constexpr int64_t kPrefill = 3;     // of them in the first step of the stepwise way
constexpr double kTolerance = 1e-3, kQuantizedTolerance = 0.05;  // of the largest logit

void require_finite(const std::vector<float>& values, const char* what) {
  if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) {
    fail(ErrorCode::backend, what, ": a fresh plan gives values that are not finite; the plan is not kept");
  }
}

void run_once(plan::Plan& plan, const char* in, std::vector<int64_t> in_shape, std::vector<float>& input, const char* out,
              std::vector<int64_t> out_shape, const char* what) {
  int64_t count = 1;
  for (const int64_t d : out_shape) count *= d;
  std::vector<float> output(static_cast<size_t>(count));
  plan.run({{in, DType::f32, std::move(in_shape), input.data()}}, {{out, DType::f32, std::move(out_shape), output.data()}}, nullptr);
  require_finite(output, what);
}

}  // namespace

void check_vision_plan(const ModelSpec& spec, plan::Plan& plan) {
  const int64_t side = spec.vision.image;
  std::vector<float> pixels(static_cast<size_t>(3 * side * side), 0.0f);
  run_once(plan, names::kPixelValues, {1, 3, side, side}, pixels, names::kVisionFeatures,
           {1, spec.vision.tokens(), spec.vision.hidden}, "vision plan");
}

void check_projector_plan(const ModelSpec& spec, plan::Plan& plan) {
  const int64_t tokens = spec.projector_tokens();
  std::vector<float> features(static_cast<size_t>(tokens * spec.projector.input));
  for (size_t i = 0; i < features.size(); ++i) features[i] = static_cast<float>(i % 7) - 3.0f;
  run_once(plan, names::kFeatures, {1, tokens, spec.projector.input}, features, names::kProjected,
           {1, spec.tokens_per_image(), spec.projector.output}, "projector plan");
}

void check_language_plan(const LanguageSpec& spec, Precision precision, plan::Decoder& decoder) {
  const int64_t tokens = std::min(kTokens, spec.max_positions);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < tokens; ++i) ids.push_back(static_cast<int32_t>(i * (spec.vocab - 1) / tokens));
  std::vector<float> whole(static_cast<size_t>(spec.vocab)), stepwise(whole.size());
  const auto first = decoder.new_cache(tokens), second = decoder.new_cache(tokens);
  first->reserve(tokens, 0);
  second->reserve(tokens, 0);
  decoder.run({{first.get(), 0, ids.data(), nullptr, whole.data()}}, tokens, nullptr);
  const int64_t prefill = std::min(kPrefill, tokens);
  decoder.run({{second.get(), 0, ids.data(), nullptr, stepwise.data()}}, prefill, nullptr);
  for (int64_t i = prefill; i < tokens; ++i) {
    decoder.run({{second.get(), i, ids.data() + i, nullptr, stepwise.data()}}, 1, nullptr);
  }
  require_finite(whole, "language plan");
  require_finite(stepwise, "language plan");
  double difference = 0, largest = 1;
  for (size_t i = 0; i < whole.size(); ++i) {
    difference = std::max(difference, static_cast<double>(std::abs(whole[i] - stepwise[i])));
    largest = std::max(largest, static_cast<double>(std::abs(whole[i])));
  }
  if (difference > (precision == Precision::fp32 ? kTolerance : kQuantizedTolerance) * largest) {
    fail(ErrorCode::backend, "language plan: prefill and decode differ by ", difference, " in a logit (largest ", largest,
         "); the plan is not kept");
  }
}

}  // namespace vila
