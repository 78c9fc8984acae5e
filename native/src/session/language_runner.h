// SPDX-License-Identifier: Apache-2.0
// Sequences through the language plan of a backend that computes in the host's memory: token ids in, logits of the last position out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "graph/quantized_weights.h"
#include "plan/decoder.h"
#include "plan/plan.h"
#include "session/kv_cache.h"

namespace vila {

/// The rows of the embedding table, read in place from the mapped checkpoint or from the weights beside the plan, and widened to
/// float32. Any thread.
class EmbeddingTable {
 public:
  /// The table is taken from `quantized` unless that is null, then from `matrices` where that has it, then from the checkpoint.
  explicit EmbeddingTable(const Checkpoint& checkpoint, const graph::QuantizedWeights* quantized = nullptr,
                          const TensorStore* matrices = nullptr);
  /// The tensor [vocab, hidden] of f32, f16 or bf16 as it lies in its file, or packed.
  const TensorRef& tensor() const { return tensor_; }
  /// Writes [hidden] floats. Throws invalid_argument for an id outside the table.
  void row(int32_t id, float* target) const;
  int64_t hidden() const { return hidden_; }
  int64_t vocab() const { return vocab_; }

 private:
  int64_t hidden_, vocab_;
  TensorRef tensor_;                    ///< [vocab, hidden], or packed
  std::optional<kernels::PackedShape> packed_;
};

using plan::SequenceStep;

/// Runs the plan over caches it does not own. A joined step is not broken off by a stop of one of its sequences.
class LanguageRunner final : public plan::Decoder {
 public:
  /// `cache` is the type of the caches' elements, which decides the form of the plan (graph/builders.h). `table`, which may be null
  /// where every step's sources are rows of its own, gives the embeddings of token ids. All outlive this.
  LanguageRunner(const LanguageSpec& spec, plan::Plan& plan, DType cache, const EmbeddingTable* table);
  std::unique_ptr<plan::SequenceCache> new_cache(int64_t limit) override;
  /// Over fp16 caches.
  bool joins() const override { return cache_ == DType::f16; }
  int64_t chunk() const override;
  int64_t shared_chunk() const override;
  /// Throws what Plan::run throws, too.
  void run(const std::vector<SequenceStep>& steps, int64_t count, plan::StopSource* stop) override;

 private:
  KvCache& own(const SequenceStep& step) const;
  void bind_caches(const std::vector<SequenceStep>& steps);
  void bind_cache(KvCache& cache);
  /// Appends what enters the plan at the positions of a step.
  void embed(const SequenceStep& step, int64_t count);

  const LanguageSpec& spec_;
  plan::Plan& plan_;
  const DType cache_;
  const EmbeddingTable* const table_;
  std::vector<plan::Binding> inputs_, outputs_;
  std::vector<int32_t> last_;                 ///< seqlens_k
  std::vector<int64_t> addresses_, capacities_;
  std::vector<float> embeds_;                 ///< [sequences, count, hidden]
  std::vector<float> logits_;                 ///< of several sequences, [sequences, vocab]
};

}  // namespace vila
