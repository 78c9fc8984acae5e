// SPDX-License-Identifier: Apache-2.0
#include "session/device_parity.h"

#include <algorithm>
#include <cmath>

#include "common/error.h"
#include "common/log.h"
#include "graph/names.h"
#include "plan/memory.h"
#include "session/precision_choice.h"

namespace vila {
namespace names = graph::names;
namespace {

constexpr int64_t kTokens = 8, kPrefill = 5;

/// Numbers between -1 and 1, the same ones always.
std::vector<float> made_up(int64_t count) {
  std::vector<float> values;
  uint32_t state = 1;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;  // Knuth's linear congruential generator (Numerical Recipes)
    values.push_back(static_cast<float>(state >> 8) / static_cast<float>(1 << 23) - 1);
  }
  return values;
}

std::vector<float> run(plan::Plan& plan, const char* in, std::vector<int64_t> in_shape, const char* out, std::vector<int64_t> out_shape) {
  const auto count = [](const std::vector<int64_t>& shape) {
    int64_t product = 1;
    for (const int64_t dim : shape) product *= dim;
    return product;
  };
  std::vector<float> input = made_up(count(in_shape)), output(static_cast<size_t>(count(out_shape)));
  plan.run({{in, DType::f32, std::move(in_shape), input.data()}}, {{out, DType::f32, std::move(out_shape), output.data()}}, nullptr);
  return output;
}

std::vector<float> run_vision(const ModelSpec& spec, plan::Plan& plan) {
  const int64_t side = spec.vision.image;
  return run(plan, names::kPixelValues, {1, 3, side, side}, names::kVisionFeatures, {1, spec.vision.tokens(), spec.vision.hidden});
}

std::vector<float> run_projector(const ModelSpec& spec, plan::Plan& plan) {
  return run(plan, names::kFeatures, {1, spec.projector_tokens(), spec.projector.input}, names::kProjected,
             {1, spec.tokens_per_image(), spec.projector.output});
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double product = 0, a_square = 0, b_square = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += static_cast<double>(a[i]) * b[i];
    a_square += static_cast<double>(a[i]) * a[i];
    b_square += static_cast<double>(b[i]) * b[i];
  }
  const double lengths = std::sqrt(a_square) * std::sqrt(b_square);
  return lengths > 0 ? product / lengths : a_square == b_square ? 1 : 0;
}

}  // namespace

DeviceReference::DeviceReference(const Checkpoint& checkpoint, const LoadOptions& options) : checkpoint_(checkpoint), options_(options) {
  options_.backend = "onnxruntime";
  options_.device = 0;
  options_.precision = name_of(Precision::fp32);
}

Plans* DeviceReference::plans() {
  if (!asked_) {
    asked_ = true;
    const PrecisionChoice finest = choose_precision(precision_sizes(checkpoint_, options_.images_only), false, plan::usable_memory(""));
    if (finest.precision == Precision::fp32) {
      plans_ = make_plans(checkpoint_, *plan::onnxruntime_backend(), options_, nullptr, nullptr);
    } else {
      log(LogLevel::warn, checkpoint_.spec().path, ": fresh plans are not compared with the CPU's, for which the memory lacks: ",
          finest.reason);
    }
  }
  return plans_ ? &*plans_ : nullptr;
}

void DeviceReference::compare(const char* layers, const std::vector<float>& found, const std::vector<float>& wanted,
                              double least_cosine) const {
  if (!std::all_of(found.begin(), found.end(), [](float v) { return std::isfinite(v); })) {
    fail(ErrorCode::backend, layers, ": a fresh plan gives values that are not finite; it is not kept");
  }
  if (wanted.empty()) return;
  const double similarity = cosine(found, wanted);
  if (similarity < least_cosine) {
    fail(ErrorCode::backend, layers, ": a fresh plan differs from the CPU's float32 (cosine ", similarity, ", expected at least ",
         least_cosine, "); it is not kept");
  }
}

void DeviceReference::check_vision(plan::Plan& plan, double least_cosine) {
  const std::vector<float> found = run_vision(checkpoint_.spec(), plan);
  compare("vision tower", found, plans() != nullptr ? run_vision(checkpoint_.spec(), *plans()->vision) : std::vector<float>(),
          least_cosine);
}

void DeviceReference::check_projector(plan::Plan& plan, double least_cosine) {
  const std::vector<float> found = run_projector(checkpoint_.spec(), plan);
  compare("projector", found, plans() != nullptr ? run_projector(checkpoint_.spec(), *plans()->projector) : std::vector<float>(),
          least_cosine);
}

int64_t DeviceReference::tokens() const { return std::min(kTokens, checkpoint_.spec().language.max_positions); }

const int32_t* DeviceReference::ids() {
  if (ids_.empty()) {
    const int64_t last = checkpoint_.spec().language.vocab - 1;
    for (int64_t i = 0; i < tokens(); ++i) ids_.push_back(static_cast<int32_t>(i * last / tokens()));
  }
  return ids_.data();
}

std::vector<float> DeviceReference::logits(plan::Decoder& decoder, int64_t prefill) {
  const LanguageSpec& spec = checkpoint_.spec().language;
  const auto cache = decoder.new_cache(tokens());
  cache->reserve(tokens(), 0);
  std::vector<float> logits(static_cast<size_t>(spec.vocab));
  prefill = std::min(prefill, tokens());
  decoder.run({{cache.get(), 0, ids(), nullptr, logits.data()}}, prefill, nullptr);
  for (int64_t i = prefill; i < tokens(); ++i) {
    decoder.run({{cache.get(), i, ids() + i, nullptr, logits.data()}}, 1, nullptr);
  }
  return logits;
}

std::vector<std::vector<float>> DeviceReference::logits_together(plan::Decoder& decoder, int64_t sequences) {
  const LanguageSpec& spec = checkpoint_.spec().language;
  std::vector<std::unique_ptr<plan::SequenceCache>> caches;
  std::vector<std::vector<float>> logits(static_cast<size_t>(sequences), std::vector<float>(static_cast<size_t>(spec.vocab)));
  std::vector<int64_t> past;
  for (size_t i = 0; i < logits.size(); ++i) {
    caches.push_back(decoder.new_cache(tokens()));
    caches[i]->reserve(tokens(), 0);
    past.push_back(std::clamp<int64_t>(kPrefill - static_cast<int64_t>(i % 4), 1, tokens()));
    decoder.run({{caches[i].get(), 0, ids(), nullptr, logits[i].data()}}, past[i], nullptr);
  }
  while (true) {
    std::vector<plan::SequenceStep> steps;
    for (size_t i = 0; i < logits.size(); ++i) {
      if (past[i] == tokens()) continue;
      steps.push_back({caches[i].get(), past[i], ids() + past[i], nullptr, logits[i].data()});
      ++past[i];
    }
    if (steps.empty()) return logits;
    decoder.run(steps, 1, nullptr);
  }
}

void DeviceReference::check_language(const char* layers, plan::Decoder& decoder, int64_t prefill, double least_cosine) {
  const std::vector<float> found = logits(decoder, prefill);
  compare(layers, found, plans() != nullptr ? logits(*plans()->decoder, kTokens) : std::vector<float>(), least_cosine);
}

void DeviceReference::check_prefill(plan::Decoder& decoder, double least_cosine) {
  check_language("language model, prefill", decoder, kTokens, least_cosine);
}

void DeviceReference::check_decode(plan::Decoder& decoder, double least_cosine) {
  check_language("language model, decode", decoder, kPrefill, least_cosine);
}

void DeviceReference::check_together(plan::Decoder& decoder, int64_t sequences, double least_cosine) {
  const std::string layers = join("language model, decode of ", sequences, " sequences");
  const std::vector<float> wanted = plans() != nullptr ? logits(*plans()->decoder, kTokens) : std::vector<float>();
  std::vector<std::vector<float>> found;
  try {
    found = logits_together(decoder, sequences);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::capacity) throw;
    return log(LogLevel::warn, layers, ": a fresh plan is not compared with the CPU's: ", error.what());
  }
  for (const std::vector<float>& each : found) compare(layers.c_str(), each, wanted, least_cosine);
}

}  // namespace vila
