// SPDX-License-Identifier: Apache-2.0
// One sequence through the language plan: embeddings in, logits of the last position out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "graph/quantized_weights.h"
#include "plan/plan.h"
#include "session/kv_cache.h"

namespace vila {

/// The rows of the embedding table, read in place from the mapped checkpoint or from the quantised weights beside the plan, and
/// widened to float32. Any thread.
class EmbeddingTable {
 public:
  /// `quantized` is null in fp32.
  EmbeddingTable(const Checkpoint& checkpoint, const graph::QuantizedWeights* quantized);
  /// Writes [hidden] floats. Throws invalid_argument for an id outside the table.
  void row(int32_t id, float* target) const;
  int64_t hidden() const { return hidden_; }
  int64_t vocab() const { return vocab_; }

 private:
  int64_t hidden_, vocab_;
  TensorRef tensor_;                    ///< [vocab, hidden], or packed
  std::optional<kernels::PackedShape> packed_;
};

/// Runs the plan over a cache it does not own. Not thread-safe (one per session); the plan is shared.
class LanguageRunner {
 public:
  LanguageRunner(const LanguageSpec& spec, plan::Plan& plan);
  /// Computes `count` >= 1 positions from `embeds` [count, hidden] behind the first `past` rows of the cache, which must have
  /// room for past+count, and writes `logits` [vocab] of the last one. The cache's rows below `past` are not changed.
  void run(KvCache& cache, int64_t past, const float* embeds, int64_t count, float* logits, plan::StopSource* stop);

 private:
  const LanguageSpec& spec_;
  plan::Plan& plan_;
  std::vector<plan::Binding> inputs_, outputs_;
};

}  // namespace vila
