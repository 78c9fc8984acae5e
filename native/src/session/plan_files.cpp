// SPDX-License-Identifier: Apache-2.0
#include "session/plan_files.h"

#include <set>
#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "common/mapped_file.h"
#include "graph/builders.h"
#include "session/progress.h"

namespace vila {

PlanFiles::PlanFiles(const Checkpoint& checkpoint, const std::string& cache_dir, ProgressListener* progress,
                     std::vector<std::string>* lines)
    : progress_(progress),
      lines_(lines),
      cache_(cache_dir),
      weights_key_(Hasher().text(checkpoint.fingerprint()).number(graph::kWeightsVersion).finish().hex()) {}

void PlanFiles::progress(const std::string& stage, double done) const {
  report(progress_, stage.c_str(), from_ + (to_ - from_) * done);
}

void PlanFiles::tell(const std::string& path, uint64_t bytes, bool existed, const char* made) {
  log(LogLevel::debug, path, existed ? ": found" : ": written");
  if (lines_ == nullptr) return;
  lines_->push_back(join(path.substr(path.rfind('/') + 1), ": ", bytes, " bytes, ", existed ? "already there" : made));
}

plan::PlanCache::Weights PlanFiles::weights(const std::string& label, const std::string& stage,
                                            const std::function<graph::WeightsPieces()>& pieces) {
  using plan::PlanCache;
  const PlanCache::Weights made = cache_.get_or_write(label, weights_key_, [&] {
    const graph::WeightsPieces whole = pieces();
    return PlanCache::Pieces{whole.count, [this, stage, whole](size_t piece, const PlanCache::Write& write) {
                               progress(stage, 0.5 * static_cast<double>(piece) / static_cast<double>(whole.count));
                               whole.write(piece, write);
                             }};
  });
  tell(made.path, made.bytes, made.existed, "written");
  return made;
}

std::string PlanFiles::findings(const std::string& label, const std::function<std::string()>& measure) {
  plan::PlanCache::Entry entry = cache_.get_or_build(label, weights_key_, measure, "txt");
  tell(entry.path, entry.bytes.size(), entry.existed, "measured");
  return std::move(entry.bytes);
}

void hash_sources(Hasher& hasher, const Checkpoint& checkpoint) {
  std::set<std::string> files;
  for (const TensorStore* store : {&checkpoint.language(), &checkpoint.vision(), &checkpoint.projector()}) {
    for (const auto& [name, tensor] : store->all()) files.insert(tensor.file->path());
  }
  hasher.text(checkpoint.fingerprint()).number(graph::kGraphVersion);
  for (const std::string& file : files) hasher.text(real_path(file));
}

}  // namespace vila
