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

/// The next positions of one sequence.
struct SequenceStep {
  KvCache* cache = nullptr;       ///< has room for past + count
  int64_t past = 0;               ///< rows of the cache that the sequence fills so far; they are not changed
  const float* embeds = nullptr;  ///< [count, hidden]
  float* logits = nullptr;        ///< [vocab], written: of the last of the positions
};

/// Runs the plan over caches it does not own. Not thread-safe; the plan is shared.
class LanguageRunner {
 public:
  /// `cache` is the type of the caches' elements, which decides the form of the plan (graph/builders.h).
  LanguageRunner(const LanguageSpec& spec, plan::Plan& plan, DType cache);
  /// Whether one run takes several sequences: over fp16 caches.
  bool joins() const { return cache_ == DType::f16; }
  /// Computes `count` >= 1 positions of each of `steps`, which have caches of their own, in one run. More than one step needs
  /// joins(). Throws what Plan::run throws; then rows beyond `past` and logits hold anything.
  void run(const std::vector<SequenceStep>& steps, int64_t count, plan::StopSource* stop);

 private:
  void bind_caches(const std::vector<SequenceStep>& steps);
  void bind_cache(KvCache& cache);

  const LanguageSpec& spec_;
  plan::Plan& plan_;
  const DType cache_;
  std::vector<plan::Binding> inputs_, outputs_;
  std::vector<int32_t> last_;                 ///< seqlens_k
  std::vector<int64_t> addresses_, capacities_;
  std::vector<float> embeds_, logits_;        ///< of several sequences, [sequences, hidden] and [sequences, vocab]
};

}  // namespace vila
