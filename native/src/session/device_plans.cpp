// SPDX-License-Identifier: Apache-2.0
#include "session/device_plans.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>

#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/mapped_file.h"
#include "graph/builders.h"
#include "graph/names.h"
#include "graph/qdq_weights.h"
#include "session/device_parity.h"
#include "session/device_precision.h"
#include "session/plan_files.h"

namespace vila {
namespace names = graph::names;
namespace {

using graph::DecoderPhase;
using plan::BucketPlans;
using plan::BuiltPlan;
using plan::InputRange;

constexpr int64_t kSmallestCapacity = 512;
constexpr int64_t kChunk = 512;  // positions of a prompt at once; no cache is smaller but that of a small context

/// "11.2.1" as a part of a file name.
std::string dashed(std::string version) {
  std::replace(version.begin(), version.end(), '.', '-');
  return version;
}

/// Whether decode plans take our own attention (graph/tensorrt_options.h) in place of TensorRT's: VILA_ATTENTION_PLUGIN is "1". Off
/// by default until both have been measured.
bool wants_plugin() {
  const char* value = std::getenv("VILA_ATTENTION_PLUGIN");
  return value != nullptr && std::string(value) == "1";
}

/// An input of one shape.
InputRange fixed(const std::string& name, const std::vector<int64_t>& shape) { return {name, shape, shape, shape}; }

/// Makes the plans of one checkpoint, and those of a capacity again when the decoder asks for it.
class DevicePlanMaker {
 public:
  DevicePlanMaker(const Checkpoint& checkpoint, plan::DeviceBackend& backend, const LoadOptions& options, ProgressListener* progress,
                  std::vector<std::string>* lines)
      : checkpoint_(checkpoint),
        backend_(backend),
        precision_(parse_device_precision(options.precision, checkpoint.spec().weight_dtype)),
        files_(checkpoint, options.cache_dir, progress, lines),
        reference_(std::in_place, checkpoint, options),
        batches_(decode_batches(options.max_requests)),
        suffix_(join("-", backend.name(), dashed(backend.version()), "-", backend.device())),
        timing_cache_(join(files_.cache().dir(), "/", suffix_.substr(1), ".timing")) {}

  const DevicePrecision& precision() const { return precision_; }
  PlanFiles& files() { return files_; }
  /// No fresh plan will be compared any more: the CPU's plans are given up.
  void forget_reference() { reference_.reset(); }

  std::unique_ptr<plan::Plan> vision() {
    const VisionSpec& spec = checkpoint_.spec().vision;
    const std::vector<int64_t> shape{1, 3, spec.image, spec.image};
    return tower("vision", checkpoint_.vision(), fixed(names::kPixelValues, shape),
                 [&](const graph::BuildOptions& build) { return graph::build_vision(checkpoint_, build); },
                 [&](plan::Plan& made) { reference().check_vision(made, precision_.least_cosine); });
  }

  std::unique_ptr<plan::Plan> projector() {
    const ModelSpec& spec = checkpoint_.spec();
    const std::vector<int64_t> shape{1, spec.projector_tokens(), spec.projector.input};
    return tower("projector", checkpoint_.projector(), fixed(names::kFeatures, shape),
                 [&](const graph::BuildOptions& build) { return graph::build_projector(checkpoint_, build); },
                 [&](plan::Plan& made) { reference().check_projector(made, precision_.least_cosine); });
  }

  /// Takes the files that the language plans need; before language().
  void open_language() {
    const LanguageSpec& spec = checkpoint_.spec().language;
    const EmbeddingTable table(checkpoint_);
    table_ = backend_.load_table({table.tensor().data(), table.tensor().dtype, spec.vocab, spec.hidden}, precision_.compute);
    log(LogLevel::debug, checkpoint_.spec().path, ": the embedding table takes ", table_->bytes(), " bytes of the device's memory");
    language_weights_ = qdq_weights("language", graph::qdq_layers(checkpoint_.spec().language, precision_.format), checkpoint_.language());
  }

  plan::DecoderSizes sizes(const std::vector<int64_t>& capacities) const {
    const LanguageSpec& spec = checkpoint_.spec().language;
    return {spec.layers,        spec.kv_heads, spec.head_dim, spec.hidden,
            spec.vocab,         precision_.compute, capacities, batches_,
            std::min(kChunk, capacities.front())};
  }

  /// In the device's memory, once open_language() has put it there.
  const std::shared_ptr<const plan::DeviceTable>& table() const { return table_; }

  /// The two plans of a capacity, from the cache or made and compared.
  BucketPlans language(int64_t capacity) {
    BucketPlans plans;
    plans.prefill = step(DecoderPhase::prefill, capacity, [&](const BuiltPlan& made) {
      reference().check_prefill(*decoder(capacity, made, nullptr), precision_.least_cosine);
    });
    plans.decode = std::make_unique<BuiltPlan>(step(DecoderPhase::decode, capacity, [&](const BuiltPlan& made) {
      const auto made_decoder = decoder(capacity, plans.prefill, &made);
      reference().check_decode(*made_decoder, precision_.least_cosine);
      for (size_t i = 1; i < batches_.size(); ++i) {
        reference().check_together(*made_decoder, batches_[i - 1] + 1, precision_.least_cosine);
      }
    }));
    return plans;
  }

 private:
  using Build = std::function<graph::Graph(const graph::BuildOptions&)>;

  /// A file of layers in the form of the precision.
  struct Weights {
    std::string path;
    graph::QdqWeights weights;
  };

  DeviceReference& reference() {
    if (!reference_) fail(ErrorCode::backend, checkpoint_.spec().path, ": a plan has gone from the cache ", files_.cache().dir());
    return *reference_;
  }

  std::optional<Weights> qdq_weights(const char* kind, const std::vector<graph::QdqLayer>& layers, const TensorStore& tensors) {
    if (layers.empty()) return std::nullopt;
    const std::string label = join(kind, "-", precision_.name, "-", name_of(precision_.compute), "-qdq");
    const std::string path = real_path(
        files_.weights(label, join(kind, " weights"), [&] { return graph::qdq_pieces(layers, tensors, precision_.compute); }).path);
    return Weights{path, graph::QdqWeights(path)};
  }

  graph::BuildOptions options(const std::optional<Weights>& weights) const {
    graph::BuildOptions build;
    build.dialect = graph::DialectKind::tensorrt;
    build.compute = precision_.compute;
    build.tensorrt.wide_attention = precision_.wide_attention();
    build.tensorrt.weights = weights ? &weights->weights : nullptr;
    return build;
  }

  /// A plan, from the cache or made and verified.
  BuiltPlan find_or_build(const std::string& kind, graph::Graph graph, const std::optional<Weights>& weights,
                          const std::vector<std::vector<InputRange>>& ranges, const std::function<void(const BuiltPlan&)>& verify) {
    BuiltPlan plan{{}, std::move(graph), kind + suffix_};
    Hasher key;
    hash_sources(key, checkpoint_);
    key.text(plan.label);
    if (weights) key.text(weights->path);
    const std::string stage = kind + " plan";
    files_.progress(stage, 0);
    const plan::PlanCache::Entry entry = files_.cache().get_or_build(
        plan.label, key.finish().hex(),
        [&] {
          plan::BuildRequest request;
          request.label = plan.label;
          request.ranges = ranges;
          request.timing_cache = timing_cache_;
          request.progress = [&](double done) {
            files_.progress(stage, done);
            return true;
          };
          plan.bytes = backend_.build(plan.graph, request);
          verify(plan);  // What does not pass is never published.
          return plan.bytes;
        },
        "plan");
    files_.tell(entry.path, entry.bytes.size(), entry.existed, "compiled");
    plan.bytes = entry.bytes;
    return plan;
  }

  std::unique_ptr<plan::Plan> tower(const char* kind, const TensorStore& tensors, const InputRange& input, const Build& build,
                                    const std::function<void(plan::Plan&)>& verify) {
    std::vector<graph::LinearUse> uses;
    graph::BuildOptions record;
    record.uses = &uses;
    build(record);
    const std::optional<Weights> weights = qdq_weights(kind, graph::qdq_layers(uses, precision_.format), tensors);
    std::unique_ptr<plan::Plan> loaded;
    const BuiltPlan plan = find_or_build(join(kind, "-", precision_.name), build(options(weights)), weights, {{input}},
                                         [&](const BuiltPlan& made) {
                                           loaded = backend_.load(made);
                                           verify(*loaded);
                                         });
    return loaded != nullptr ? std::move(loaded) : backend_.load(plan);
  }

  BuiltPlan step(DecoderPhase phase, int64_t capacity, const std::function<void(const BuiltPlan&)>& verify) {
    const LanguageSpec& spec = checkpoint_.spec().language;
    graph::BuildOptions build = options(language_weights_);
    build.tensorrt.phase = phase;
    build.tensorrt.capacity = capacity;
    const bool decode = phase == DecoderPhase::decode;
    const bool plugin = decode && precision_.compute != DType::f32 && wants_plugin();
    build.tensorrt.attention_plugin = plugin;
    const int64_t chunk = decode ? 1 : std::min(kChunk, capacity);
    std::vector<std::vector<InputRange>> ranges;
    int64_t least = 1;
    for (const int64_t most : decode ? batches_ : std::vector<int64_t>{1}) {
      const auto sequences = [&](const std::string& name, std::vector<int64_t> shape) {
        InputRange range{name, shape, shape, std::move(shape)};
        range.least[0] = least;
        range.usual[0] = range.most[0] = most;
        return range;
      };
      std::vector<InputRange>& inputs = ranges.emplace_back();
      inputs.push_back(sequences(names::kInputsEmbeds, {1, chunk, spec.hidden}));
      inputs.back().least[1] = 1;
      inputs.push_back(sequences(names::kPastLengths, {1}));
      for (int64_t layer = 0; layer < spec.layers; ++layer) {
        inputs.push_back(sequences(names::past_key(layer), {1, spec.kv_heads, capacity, spec.head_dim}));
        inputs.push_back(sequences(names::past_value(layer), {1, spec.kv_heads, capacity, spec.head_dim}));
      }
      least = most + 1;
    }
    const std::string batch = decode && batches_.size() > 1 ? join("-b", batches_.back()) : std::string();
    const std::string kind = join(decode ? "decode-" : "prefill-", precision_.name, plugin ? "-plugin" : "", "-c", capacity, batch);
    return find_or_build(kind, graph::build_language(checkpoint_, build), language_weights_, ranges, verify);
  }

  /// A decoder of one capacity over plans that are kept by the caller.
  std::unique_ptr<plan::Decoder> decoder(int64_t capacity, const BuiltPlan& prefill, const BuiltPlan* decode) {
    return backend_.make_decoder(sizes({capacity}), table_, [&prefill, decode](int64_t) {
      return BucketPlans{prefill, decode != nullptr ? std::make_unique<BuiltPlan>(*decode) : nullptr};
    });
  }

  const Checkpoint& checkpoint_;
  plan::DeviceBackend& backend_;
  const DevicePrecision precision_;
  PlanFiles files_;
  std::optional<DeviceReference> reference_;
  const std::vector<int64_t> batches_;
  const std::string suffix_, timing_cache_;
  std::optional<Weights> language_weights_;
  std::shared_ptr<const plan::DeviceTable> table_;
};

}  // namespace

std::vector<int64_t> cache_capacities(int64_t limit) {
  std::vector<int64_t> capacities;
  for (int64_t capacity = kSmallestCapacity; capacity < limit; capacity *= 2) capacities.push_back(capacity);
  capacities.push_back(limit);
  return capacities;
}

std::vector<int64_t> decode_batches(int64_t requests) {
  std::vector<int64_t> batches{1};
  while (batches.back() < requests) batches.push_back(4 * batches.back());
  return batches;
}

Plans make_device_plans(const Checkpoint& checkpoint, plan::DeviceBackend& backend, const LoadOptions& options,
                        ProgressListener* progress, std::vector<std::string>* lines) {
  const ModelSpec& spec = checkpoint.spec();
  if (spec.synthetic) {
    fail(ErrorCode::unsupported, spec.path, ": a synthetic checkpoint has no weights for the backend ", backend.name(),
         "; vila_random_checkpoint (tests/gpu) writes one of these sizes with random weights");
  }
  const auto maker = std::make_shared<DevicePlanMaker>(checkpoint, backend, options, progress, lines);
  PlanFiles& files = maker->files();
  Plans plans;
  plans.device = maker->precision();
  files.span(0.05, 0.15);
  plans.vision = maker->vision();
  files.span(0.15, 0.2);
  plans.projector = maker->projector();
  if (!options.images_only) {
    const std::vector<int64_t> capacities = cache_capacities(check_load_options(options, spec));
    files.span(0.2, 0.3);
    maker->open_language();
    for (size_t i = 0; i < capacities.size(); ++i) {
      const double share = 0.7 / static_cast<double>(capacities.size());
      files.span(0.3 + share * static_cast<double>(i), 0.3 + share * static_cast<double>(i + 1));
      maker->language(capacities[i]);
    }
    plans.decoder = backend.make_decoder(maker->sizes(capacities), maker->table(),
                                         [maker](int64_t capacity) { return maker->language(capacity); });
  }
  maker->forget_reference();
  files.silence();
  return plans;
}

}  // namespace vila
