// SPDX-License-Identifier: Apache-2.0
// A fresh plan of a device is compared with what the CPU computes in float32 from the same checkpoint before it is published: a
// library that chooses among kernels at build time may choose a wrong one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "plan/decoder.h"
#include "plan/plan.h"
#include "session/engine.h"
#include "vila/vila.h"

namespace vila {

/// What the CPU gives for small inputs, computed when it is first asked for. One thread.
class DeviceReference {
 public:
  /// `checkpoint` must outlive this.
  DeviceReference(const Checkpoint& checkpoint, const LoadOptions& options);

  /// Each throws backend, naming the layers ("vision tower", "projector", "language model, prefill", "language model, decode",
  /// "language model, decode of N sequences"), the cosine that was found and the least that is kept, and for numbers that are not
  /// finite. Where the machine's memory does not hold the model in float32 only that is looked at, with a warning.
  void check_vision(plan::Plan& plan, double least_cosine);
  void check_projector(plan::Plan& plan, double least_cosine);
  /// A prompt in one step.
  void check_prefill(plan::Decoder& decoder, double least_cosine);
  /// A prompt, then single positions.
  void check_decode(plan::Decoder& decoder, double least_cosine);
  /// The same of several sequences in one step, of different lengths.
  void check_together(plan::Decoder& decoder, int64_t sequences, double least_cosine);

 private:
  Plans* plans();
  void compare(const char* layers, const std::vector<float>& found, const std::vector<float>& wanted, double least_cosine) const;
  /// Logits of the last of the tokens, whose first `prefill` are one step and whose others are single ones.
  std::vector<float> logits(plan::Decoder& decoder, int64_t prefill);
  /// The same of each of several sequences, the i-th of which begins with a prompt of i % 4 positions less than the first, so
  /// that it ends later.
  std::vector<std::vector<float>> logits_together(plan::Decoder& decoder, int64_t sequences);
  int64_t tokens() const;
  const int32_t* ids();
  void check_language(const char* layers, plan::Decoder& decoder, int64_t prefill, double least_cosine);

  const Checkpoint& checkpoint_;
  LoadOptions options_;
  bool asked_ = false;
  std::optional<Plans> plans_;
  std::vector<int32_t> ids_;  ///< see ids()
};

}  // namespace vila
