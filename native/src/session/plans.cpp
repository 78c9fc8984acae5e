// SPDX-License-Identifier: Apache-2.0
// Graphs to plans through the cache on disk.
#include <cmath>
#include <functional>
#include <optional>
#include <set>

#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "graph/builders.h"
#include "graph/graph.h"
#include "graph/packed_weights.h"
#include "session/engine.h"
#include "session/parity.h"
#include "session/progress.h"

namespace vila {
namespace {

constexpr const char* kPrecision = "fp32";
constexpr const char* kPackedWeights = "language-int4";

/// Everything that decides what a graph's bytes are: the weights and where they lie (graphs point into the checkpoint's files), the
/// graph writer, precision and backend. Capacity and device do not: CPU plans have dynamic shapes.
std::string fingerprint(const Checkpoint& checkpoint, const plan::Backend& backend) {
  std::set<std::string> files;
  for (const TensorStore* store : {&checkpoint.language(), &checkpoint.vision(), &checkpoint.projector()}) {
    for (const auto& [name, tensor] : store->all()) files.insert(tensor.file->path());
  }
  Hasher hasher;
  hasher.text(checkpoint.fingerprint()).number(graph::kGraphVersion).text(kPrecision).text(backend.name()).text(backend.version());
  for (const std::string& file : files) hasher.text(real_path(file));
  return hasher.finish().hex();
}

/// The repacked layers of a packed language model in the cache; nothing for a plain one. Independent of the backend's version.
std::optional<plan::PlanCache::Weights> packed_weights(const Checkpoint& checkpoint, plan::PlanCache& cache,
                                                       const std::function<void(double)>& progress) {
  const LanguageSpec& spec = checkpoint.spec().language;
  if (spec.packing == LanguageSpec::Packing::none) return std::nullopt;
  const std::string key = Hasher().text(checkpoint.fingerprint()).number(graph::kGraphVersion).finish().hex();
  return cache.get_or_write(kPackedWeights, key, [&](const plan::PlanCache::Write& write) {
    graph::write_packed_weights(spec, checkpoint.language(), write, progress);
  });
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Plans make_plans(const Checkpoint& checkpoint, plan::Backend& backend, const LoadOptions& options, ProgressListener* progress,
                 std::vector<std::string>* lines) {
  plan::PlanCache cache(options.cache_dir);
  const std::string model = fingerprint(checkpoint, backend);
  const graph::BuildOptions build;
  plan::CompileOptions compile;
  compile.threads = options.threads;

  using Build = std::function<graph::Graph()>;
  using Verify = std::function<void(plan::Plan&)>;
  const auto make = [&](const char* kind, const std::string& key, const Build& build_graph, const Verify& verify) {
    const std::string label = std::string(kind) + "-" + kPrecision;
    std::unique_ptr<plan::Plan> compiled;
    const plan::PlanCache::Entry entry = cache.get_or_build(label, key, [&] {
      std::string onnx = graph::serialize(build_graph());
      compiled = backend.compile(onnx, label, compile);
      verify(*compiled);  // What does not pass is never published.
      return onnx;
    });
    log(LogLevel::debug, entry.path, entry.existed ? ": found" : ": written");
    if (lines != nullptr) {
      lines->push_back(
          join(file_name(entry.path), ": ", entry.bytes.size(), " bytes, ", entry.existed ? "already there" : "compiled"));
    }
    if (compiled == nullptr) compiled = backend.compile(entry.bytes, label, compile);
    return compiled;
  };

  const ModelSpec& spec = checkpoint.spec();
  Plans plans;
  report(progress, "vision plan", 0.05);
  plans.vision = make(
      "vision", model, [&] { return graph::build_vision(spec.vision, checkpoint.vision(), build); },
      [&](plan::Plan& plan) { check_vision_plan(spec, plan); });
  report(progress, "projector plan", 0.25);
  const auto projector = [&] { return graph::build_projector(spec.projector, spec.projector_tokens(), checkpoint.projector(), build); };
  plans.projector = make("projector", model, projector, [&](plan::Plan& plan) { check_projector_plan(spec, plan); });
  const auto packed =
      packed_weights(checkpoint, cache, [&](double done) { report(progress, "language weights", 0.3 + 0.2 * done); });
  std::string language = model;
  std::optional<graph::PackedWeights> weights;
  if (packed) {
    log(LogLevel::debug, packed->path, packed->existed ? ": found" : ": written");
    if (lines != nullptr) {
      lines->push_back(
          join(file_name(packed->path), ": ", packed->bytes, " bytes, ", packed->existed ? "already there" : "written"));
    }
    weights.emplace(packed->path, spec.language.packing_group);
    language = Hasher().text(model).text(real_path(packed->path)).finish().hex();  // The plan points into that file.
  }
  report(progress, "language plan", packed ? 0.5 : 0.3);
  plans.language = make(
      "language", language, [&] { return graph::build_language(checkpoint, build, weights ? &*weights : nullptr); },
      [&](plan::Plan& plan) { check_language_plan(checkpoint, plan); });
  return plans;
}

}  // namespace vila
