// SPDX-License-Identifier: Apache-2.0
// Graphs to plans through the cache on disk.
#include <functional>
#include <optional>

#include "checkpoint/needed_tensors.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "graph/bf16_matrices.h"
#include "graph/builders.h"
#include "graph/graph.h"
#include "graph/packed_weights.h"
#include "graph/quantized_weights.h"
#include "plan/memory.h"
#include "session/engine.h"
#include "session/parity.h"
#include "session/plan_files.h"
#include "session/precision_choice.h"
#include "session/quantized_layers.h"
#include "session/rounding_noise.h"

namespace vila {
namespace {

using plan::PlanCache;

/// Everything that decides what a graph's bytes are: its sources, precision and backend. Capacity and device do not: CPU plans have
/// dynamic shapes.
std::string fingerprint(const Checkpoint& checkpoint, Precision precision, const plan::Backend& backend) {
  Hasher hasher;
  hash_sources(hasher, checkpoint);
  return hasher.text(name_of(precision)).text(backend.name()).text(backend.version()).finish().hex();
}

/// Makes the plans of one checkpoint, one after another.
class PlanMaker {
 public:
  PlanMaker(const Checkpoint& checkpoint, plan::Backend& backend, const LoadOptions& options, ProgressListener* progress,
            std::vector<std::string>* lines)
      : checkpoint_(checkpoint),
        backend_(backend),
        files_(checkpoint, options.cache_dir, progress, lines),
        images_only_(options.images_only),
        precision_(choose(options, checkpoint)),
        model_(fingerprint(checkpoint, precision_, backend)) {
    compile_.threads = options.threads;
  }

  Plans make() {
    const ModelSpec& spec = checkpoint_.spec();
    Plans plans;
    plans.precision = precision_;
    files_.span(0.05, 0.25);
    plans.vision = plan(
        "vision", checkpoint_.vision(),
        [&](const graph::BuildOptions& build) { return graph::build_vision(spec.vision, checkpoint_.vision(), build); },
        [&](plan::Plan& made) { check_vision_plan(spec, made); });
    files_.span(0.25, 0.3);
    plans.projector = plan(
        "projector", checkpoint_.projector(),
        [&](const graph::BuildOptions& build) {
          return graph::build_projector(spec.projector, spec.projector_tokens(), checkpoint_.projector(), build);
        },
        [&](plan::Plan& made) { check_projector_plan(spec, made); });
    if (images_only_) return plans;
    files_.span(0.3, 0.4);
    const std::optional<graph::PackedWeights> packed = packed_weights();
    find_kept_layers();
    plans.kept = kept_.size();
    files_.span(0.4, 1);
    plans.language = plan(
        "language", checkpoint_.language(),
        [&](graph::BuildOptions build) {
          build.cache = cache_dtype(precision_);
          return graph::build_language(checkpoint_, build, packed ? &*packed : nullptr);
        },
        [&](plan::Plan& made) {
          LanguageRunner runner(spec.language, made, cache_dtype(precision_), plans.embeddings.get());
          check_language_plan(spec.language, precision_, runner);
        },
        [&](const graph::BuildOptions& build) {
          plans.embeddings = std::make_unique<EmbeddingTable>(checkpoint_, build.quantized, build.matrices);
        });
    plans.decoder =
        std::make_unique<LanguageRunner>(spec.language, *plans.language, cache_dtype(precision_), plans.embeddings.get());
    return plans;
  }

 private:
  using Verify = std::function<void(plan::Plan&)>;
  using See = std::function<void(const graph::BuildOptions&)>;

  static Precision choose(const LoadOptions& options, const Checkpoint& checkpoint) {
    const PrecisionChoice choice = resolve_precision(options.precision, checkpoint, options.images_only, plan::usable_memory(""));
    if (!parse_precision(options.precision)) {
      // Whoever asked for nothing hears of it where answers may differ from the checkpoint's own.
      const LogLevel level = choice.precision == Precision::fp32 ? LogLevel::info : LogLevel::warn;
      log(level, checkpoint.spec().path, ": precision ", name_of(choice.precision), " is chosen: ", choice.reason);
    }
    return choice.precision;
  }

  /// The repacked layers of a packed language model; nothing for a plain one. In int8 and int4 our own kernels read these layers
  /// from the quantised weights, and only their outline is needed.
  std::optional<graph::PackedWeights> packed_weights() {
    const LanguageSpec& spec = checkpoint_.spec().language;
    if (spec.packing == LanguageSpec::Packing::none) return std::nullopt;
    if (quantizes(precision_)) return graph::PackedWeights::outline(spec, checkpoint_.language());
    const PlanCache::Weights made =
        files_.weights("language-packed", "language weights", [&] { return graph::packed_pieces(spec, checkpoint_.language()); });
    packed_path_ = real_path(made.path);
    return graph::PackedWeights(made.path, spec.packing_group);
  }

  /// In int4, measures which layers stay at 8 bits, or finds what was measured before. Not of layers that are packed or drawn.
  void find_kept_layers() {
    const ModelSpec& spec = checkpoint_.spec();
    if (precision_ != Precision::int4 || spec.synthetic || spec.language.packing != LanguageSpec::Packing::none) return;
    kept_ = kept_layers(files_.findings("language-int4-noise", [&] {
      return noise_text(rounding_noise(spec.language, checkpoint_.language(),
                                       [&](double done) { files_.progress("language rounding", done); }));
    }));
    if (kept_.empty()) return;
    int64_t kept = 0, all = 0;
    for (int64_t i = 0; i < spec.language.layers; ++i) {
      for (const LinearLayer& layer : block_linears(spec.language, i)) {
        all += layer.out * layer.in;
        if (kept_.contains(layer.name)) kept += layer.out * layer.in;
      }
    }
    log(LogLevel::info, spec.path, ": ", kept_.size(), " layers (", 100 * kept / all,
        " % of the blocks' weights) stay at 8 bits, as 4 would move the stream by more than ", kMostMoved, " of its size");
  }

  /// "language-int4", and what tells files with other kept layers from each other.
  std::string weights_label(const char* kind) const {
    const std::string label = join(kind, "-", name_of(precision_));
    if (kept_.empty()) return label;
    Hasher hasher;
    for (const std::string& layer : kept_) hasher.text(layer);
    return join(label, "-", hasher.finish().hex().substr(0, 8));
  }

  /// A file of quantised layers and what it holds.
  struct Quantized {
    PlanCache::Weights file;
    graph::QuantizedWeights weights;
  };

  /// The quantised layers of a graph; nothing in fp32 and bf16.
  std::optional<Quantized> quantized_weights(const char* kind, const TensorStore& tensors, const BuildGraph& build) {
    if (!quantizes(precision_)) return std::nullopt;
    const auto layers = quantized_layers(build, checkpoint_.spec().language, precision_, kept_);
    const PlanCache::Weights file =
        files_.weights(weights_label(kind), join(kind, " weights"), [&] {
          return checkpoint_.spec().synthetic ? graph::random_pieces(layers) : graph::quantized_pieces(layers, tensors);
        });
    return Quantized{file, graph::QuantizedWeights(file.path, layers)};
  }

  /// A file of matrices in bf16.
  struct Matrices {
    PlanCache::Weights file;
    TensorStore tensors;
  };

  /// The matrices that the checkpoint does not hold as the graph reads them: in bf16 those of other types, and all of a synthetic
  /// checkpoint, which are drawn. Nothing where there are none, or their graph has quantised layers instead.
  std::optional<Matrices> matrices(const char* kind, const TensorStore& tensors, const BuildGraph& build) {
    const bool drawn = checkpoint_.spec().synthetic;
    if (quantizes(precision_) || (precision_ == Precision::fp32 && !drawn)) return std::nullopt;
    const auto layers = matrices_beside(build, checkpoint_.spec().language, tensors, drawn);
    if (layers.empty()) return std::nullopt;
    Matrices made;
    made.file = files_.weights(join(kind, "-", drawn ? "drawn" : name_of(precision_)), join(kind, " weights"), [&] {
      return drawn ? graph::random_matrices(layers) : graph::rounded_matrices(layers, tensors);
    });
    made.tensors.add_file(made.file.path);
    return made;
  }

  /// `see` gets what the graph is built with before the plan is verified.
  std::unique_ptr<plan::Plan> plan(const char* kind, const TensorStore& tensors, const BuildGraph& build, const Verify& verify,
                                   const See& see = {}) {
    files_.progress(join(kind, " plan"), 0);
    const std::string label = join(kind, "-", name_of(precision_));
    const std::optional<Quantized> quantized = quantized_weights(kind, tensors, build);
    const std::optional<Matrices> beside = matrices(kind, tensors, build);
    graph::BuildOptions options;
    options.bf16_matrices = precision_ == Precision::bf16;
    Hasher key;  // Plans point into these files.
    key.text(model_).text(packed_path_);
    if (beside) {
      key.text(real_path(beside->file.path));
      options.matrices = &beside->tensors;
    }
    if (quantized) {
      key.text(real_path(quantized->file.path));
      options.quantized = &quantized->weights;
    }
    if (see) see(options);
    std::unique_ptr<plan::Plan> compiled;
    const PlanCache::Entry entry = files_.cache().get_or_build(label, key.finish().hex(), [&] {
      std::string onnx = graph::serialize(build(options));
      compiled = backend_.compile(onnx, label, compile_);
      verify(*compiled);  // What does not pass is never published.
      return onnx;
    });
    files_.tell(entry.path, entry.bytes.size(), entry.existed, "compiled");
    if (compiled == nullptr) compiled = backend_.compile(entry.bytes, label, compile_);
    return compiled;
  }

  const Checkpoint& checkpoint_;
  plan::Backend& backend_;
  PlanFiles files_;
  bool images_only_;
  Precision precision_;
  std::string model_;
  KeptLayers kept_;          ///< none before the language model's turn
  std::string packed_path_;  ///< of the repacked layers, once they are there
  plan::CompileOptions compile_;
};

}  // namespace

Plans make_plans(const Checkpoint& checkpoint, plan::Backend& backend, const LoadOptions& options, ProgressListener* progress,
                 std::vector<std::string>* lines) {
  return PlanMaker(checkpoint, backend, options, progress, lines).make();
}

}  // namespace vila
