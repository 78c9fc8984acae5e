// SPDX-License-Identifier: Apache-2.0
// What the session sees of a compiled language model: steps over caches that a backend keeps where it computes.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

#include "plan/stop_source.h"
#include "vila/vila.h"

namespace vila::plan {

/// The keys and values of one sequence, made by a Decoder and of use to it only. Owned by one session; one thread at a time. Must not
/// outlive its decoder.
class SequenceCache {
 public:
  virtual ~SequenceCache() = default;
  /// Makes room for `positions`, keeping the first `used` rows. Throws capacity beyond the limit or when memory is lacking; then
  /// nothing changed.
  virtual void reserve(int64_t positions, int64_t used) = 0;
  /// Positions that there is room for.
  virtual int64_t capacity() const = 0;
  /// Copies the first `rows` rows of `from`, another cache of the same decoder, which holds them and whose sequence nobody changes
  /// meanwhile; several threads may copy from it at once. There is room for them.
  virtual void copy_rows(SequenceCache& from, int64_t rows) = 0;
  /// What it takes of memory, where the decoder computes.
  virtual int64_t bytes() const = 0;
};

/// In SequenceStep::sources: row `row` of SequenceStep::rows.
constexpr int32_t row_source(int32_t row) { return ~row; }

/// The next positions of one sequence. All memory is the host's.
struct SequenceStep {
  SequenceCache* cache = nullptr;  ///< has room for past + count
  int64_t past = 0;                ///< rows of the cache that the sequence fills so far; they are not changed
  /// [count]: what enters the model at each position: a token id (0 and up), for its row of the embedding table, or row_source()
  /// (below 0).
  const int32_t* sources = nullptr;
  const float* rows = nullptr;     ///< [*, hidden]: of image tokens; null where no source is such a row
  float* logits = nullptr;         ///< [vocab], written: of the last of the positions; null: they stay where they are computed
  int32_t* token = nullptr;        ///< written: what begin_sampling()'s options choose from the logits; null: nothing is chosen
  std::exception_ptr* error = nullptr;  ///< gets what is wrong with this sequence alone; null: run() throws it
};

/// A language model that computes. run() is called by one thread at a time; the rest by any.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// An empty cache of at most `limit` positions.
  virtual std::unique_ptr<SequenceCache> new_cache(int64_t limit) = 0;
  /// Whether one run takes several sequences.
  virtual bool joins() const = 0;
  /// Most positions of a prompt that are worth computing at once, at least 1; more than that may be refused.
  virtual int64_t chunk() const = 0;
  /// The same while other sequences wait for their next tokens; at most chunk(). A prompt comes out the same, whichever cut it.
  virtual int64_t shared_chunk() const = 0;
  /// Computes `count` >= 1 positions of each of `steps`, which have caches of their own, in one run. More than one step needs
  /// joins(). Raising `stop` (may be null) before or during the run ends it as soon as the backend can; it then throws cancelled.
  /// Throws internal for a step that does not fit its cache, invalid_argument for an id outside the embedding table, backend when
  /// the backend fails; then rows beyond `past`, logits and tokens hold anything. A backend that samples throws nothing when all of several steps have a place for their errors, so that
  /// nobody's token is chosen twice.
  virtual void run(const std::vector<SequenceStep>& steps, int64_t count, StopSource* stop) = 0;

  /// Whether steps can choose tokens, too.
  virtual bool samples() const { return false; }
  /// How tokens of this sequence are chosen from now on: as Sampler (session/sampler.h) does with the same options and seed after it
  /// has seen `prompt`. `options` have passed check_options(). Needs samples().
  virtual void begin_sampling(SequenceCache& cache, const GenerationOptions& options, uint64_t seed,
                              const std::vector<int32_t>& prompt);
  /// The logits [vocab] of the last step of this sequence that was run without a place for them. Needs samples().
  virtual void read_logits(SequenceCache& cache, float* logits);
};

/// Throws invalid_argument unless `id` is a row of an embedding table of `vocab`.
void require_id(int32_t id, int64_t vocab);

}  // namespace vila::plan
