// SPDX-License-Identifier: Apache-2.0
// What makers of plans write into the cache, with progress and a line for whoever wants to know.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "common/hash.h"
#include "graph/weights_file.h"
#include "plan/plan.h"
#include "vila/vila.h"

namespace vila {

/// The cache of plans while those of one checkpoint are made. One thread.
class PlanFiles {
 public:
  /// `progress` and `lines` may be null.
  PlanFiles(const Checkpoint& checkpoint, const std::string& cache_dir, ProgressListener* progress, std::vector<std::string>* lines);

  plan::PlanCache& cache() { return cache_; }
  /// The share of the whole work that what follows begins and ends at.
  void span(double from, double to) { from_ = from, to_ = to; }
  /// Tells the listener that `done` (0 to 1) of the span is done; throws cancelled when it wants no more.
  void progress(const std::string& stage, double done) const;
  /// No listener from here on.
  void silence() { progress_ = nullptr, lines_ = nullptr; }
  /// Notes a file that was found, or made as `made` says.
  void tell(const std::string& path, uint64_t bytes, bool existed, const char* made);
  /// A file of weights beside the plans, in a form that the checkpoint does not hold; independent of the backend. `pieces` is asked
  /// for only where it is not there. Takes the first half of the span.
  plan::PlanCache::Weights weights(const std::string& label, const std::string& stage,
                                   const std::function<graph::WeightsPieces()>& pieces);
  /// What was found out about the checkpoint's weights, as text beside the plans, where `measure` need not do so again.
  std::string findings(const std::string& label, const std::function<std::string()>& measure);

 private:
  ProgressListener* progress_;
  std::vector<std::string>* lines_;
  plan::PlanCache cache_;
  std::string weights_key_;
  double from_ = 0, to_ = 1;
};

/// What decides the bytes of plans of a checkpoint besides the backend: its weights, where they lie (graphs point into its files), and
/// the graph writer.
void hash_sources(Hasher& hasher, const Checkpoint& checkpoint);

}  // namespace vila
