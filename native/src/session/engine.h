// SPDX-License-Identifier: Apache-2.0
// A loaded model: everything its sessions share.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "plan/decoder.h"
#include "plan/device_backend.h"
#include "plan/plan.h"
#include "session/device_precision.h"
#include "session/language_runner.h"
#include "session/precision.h"
#include "session/prefix_cache.h"
#include "session/scheduler.h"
#include "session/vision_encoder.h"
#include "tokenizer/tokenizer.h"
#include "vila/vila.h"

namespace vila {

/// The compiled plans of a checkpoint; no language model after LoadOptions::images_only.
struct Plans {
  std::unique_ptr<plan::Plan> vision, projector, language;  ///< language: only of backends that compute in the host's memory
  std::unique_ptr<EmbeddingTable> embeddings;               ///< of `language`
  std::unique_ptr<plan::Decoder> decoder;                   ///< the language model; may refer to the two before
  Precision precision = Precision::fp32;
  size_t kept = 0;  ///< layers of the decoder's blocks that stay at 8 bits in int4 (rounding_noise.h)
  std::optional<DevicePrecision> device;  ///< of a backend with its own device, in place of `precision`
};

/// Finds or makes the three plans in the cache. A plan that is made is checked before it is published: see parity.h.
/// In a precision that was chosen for the memory (precision_choice.h) a line of log says so, a warning where it is not fp32.
/// With `lines`, appends for each plan "<file name>: <bytes> bytes, compiled|already there".
Plans make_plans(const Checkpoint& checkpoint, plan::Backend& backend, const LoadOptions& options, ProgressListener* progress,
                 std::vector<std::string>* lines);

/// Immutable after construction but for the caches and the scheduler; any thread.
class Engine {
 public:
  /// Throws what Model::load documents.
  static std::shared_ptr<Engine> load(const std::string& path, const LoadOptions& options, ProgressListener* progress);

  const ModelSpec& spec() const { return checkpoint_->spec(); }
  const std::shared_ptr<const TokenizerBase>& tokenizer() const { return tokenizer_; }
  const VisionEncoder& vision() const { return *vision_; }
  VisionEncoder& vision() { return *vision_; }
  /// False after LoadOptions::images_only: decoder() and scheduler() are not to be called then.
  bool has_language() const { return plans_.decoder != nullptr; }
  plan::Decoder& decoder() const { return *plans_.decoder; }
  Scheduler& scheduler() { return *scheduler_; }
  PrefixCache& prefixes() { return *prefixes_; }
  /// Most positions of a session.
  int64_t context() const { return context_; }
  /// The template in force.
  const PromptSpec& prompt_spec() const { return prompt_spec_; }
  ModelInfo info() const;

 private:
  Engine() = default;
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<const TokenizerBase> tokenizer_;
  void load_plans(const LoadOptions& options, ProgressListener* progress);

  std::shared_ptr<plan::Backend> backend_;        ///< one of these two
  std::shared_ptr<plan::DeviceBackend> device_;
  Plans plans_;
  PromptSpec prompt_spec_;
  std::optional<VisionEncoder> vision_;
  std::optional<Scheduler> scheduler_;
  std::optional<PrefixCache> prefixes_;
  int64_t context_ = 0;
  LiveCount<LiveType::model> live_;
};

/// Whether options ask for the backend with a device of its own.
bool wants_device(const LoadOptions& options);

/// Checks backend, device, threads, context, requests and template of `options` against the spec, and that the precision is one of the backend's
/// (make_plans() sees whether the model has it); returns the context length.
int64_t check_load_options(const LoadOptions& options, const ModelSpec& spec);

}  // namespace vila
