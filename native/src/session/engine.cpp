// SPDX-License-Identifier: Apache-2.0
#include "session/engine.h"

#include <algorithm>

#include "common/error.h"
#include "common/log.h"
#include "prompt/prompt.h"
#include "session/progress.h"

namespace vila {
namespace {

std::string one_of(const std::vector<std::string>& ids) {
  std::string text;
  for (const std::string& id : ids) text += (text.empty() ? "" : ", ") + id;
  return text;
}

const char* name_of(VisionSpec::Kind kind) {
  switch (kind) {
    case VisionSpec::Kind::clip: return "clip";
    case VisionSpec::Kind::siglip: return "siglip";
    case VisionSpec::Kind::internvit: return "internvit";
  }
  return "?";
}

int64_t kv_bytes_per_token(const LanguageSpec& spec, Precision precision) {
  return 2 * spec.layers * spec.kv_heads * spec.head_dim * static_cast<int64_t>(size_of(cache_dtype(precision)));
}

const char* name_of(PreprocessSpec::Fit fit) {
  switch (fit) {
    case PreprocessSpec::Fit::squash: return "squash";
    case PreprocessSpec::Fit::pad: return "pad";
    case PreprocessSpec::Fit::center_crop: return "center crop";
  }
  return "?";
}

}  // namespace

int64_t check_load_options(const LoadOptions& options, const ModelSpec& spec) {
  if (options.backend != "auto" && options.backend != "onnxruntime") {
    fail(ErrorCode::invalid_argument, "backend: \"", options.backend, "\", expected auto or onnxruntime");
  }
  parse_precision(options.precision);
  if (options.threads < 0 || options.threads > 1024) {
    fail(ErrorCode::invalid_argument, "threads: ", options.threads, ", expected 0 to 1024");
  }
  if (options.image_cache_bytes < 0) {
    fail(ErrorCode::invalid_argument, "image_cache_bytes: ", options.image_cache_bytes, ", expected 0 or more");
  }
  if (options.context_length < 0 || options.context_length > spec.language.max_positions) {
    fail(ErrorCode::invalid_argument, "context_length: ", options.context_length, ", expected 0 to ", spec.language.max_positions,
         ", the positions this model was made for");
  }
  const std::vector<std::string> ids = template_ids();
  if (!options.prompt_template.empty() && std::find(ids.begin(), ids.end(), options.prompt_template) == ids.end()) {
    fail(ErrorCode::invalid_argument, "prompt_template: \"", options.prompt_template, "\", expected one of ", one_of(ids));
  }
  return options.context_length > 0 ? options.context_length : std::min(spec.prompt.max_length, spec.language.max_positions);
}

std::shared_ptr<Engine> Engine::load(const std::string& path, const LoadOptions& options, ProgressListener* progress) {
  report(progress, "checkpoint", 0);
  std::shared_ptr<Engine> engine(new Engine);
  engine->checkpoint_ = Checkpoint::open(path);
  const ModelSpec& spec = engine->spec();
  engine->context_ = check_load_options(options, spec);
  report(progress, "tokenizer", 0.02);
  engine->tokenizer_ = open_tokenizer(spec.tokenizer);
  engine->prompt_spec_ = spec.prompt;
  if (!options.prompt_template.empty() && options.prompt_template != spec.prompt.template_id) {
    engine->prompt_spec_.template_id = options.prompt_template;
    engine->prompt_spec_.system.reset();
  }
  engine->backend_ = plan::onnxruntime_backend();
  engine->plans_ = make_plans(*engine->checkpoint_, *engine->backend_, options, progress, nullptr);
  engine->embeddings_.emplace(*engine->checkpoint_);
  engine->vision_.emplace(spec, *engine->plans_.vision, *engine->plans_.projector, options.image_cache_bytes);
  report(progress, "ready", 1);
  log(LogLevel::info, "loaded ", path, " (", spec.family, ", context ", engine->context_, ")");
  return engine;
}

ModelInfo Engine::info() const {
  ModelInfo info = describe(*checkpoint_);
  info.context_length = static_cast<int32_t>(context_);
  info.prompt_template = prompt_spec_.template_id;
  const LanguageSpec& language = spec().language;
  info.precision = name_of(precision());
  info.kv_bytes_per_token = kv_bytes_per_token(language, precision());
  if (language.packing != LanguageSpec::Packing::none) info.precision += join(", weights int4 group ", language.packing_group);
  info.backend = backend_->name() + " " + backend_->version();
  return info;
}

ModelInfo describe(const Checkpoint& checkpoint) {
  const ModelSpec& spec = checkpoint.spec();
  const LanguageSpec& language = spec.language;
  const VisionSpec& vision = spec.vision;
  ModelInfo info;
  info.path = spec.path;
  info.family = spec.family;
  info.language_model = join(language.model_type, ": ", language.layers, " layers, hidden ", language.hidden, ", ", language.heads,
                             " heads, ", language.kv_heads, " KV heads, FFN ", language.intermediate);
  info.vision_tower = join(name_of(vision.kind), ": ", vision.run_layers, " of ", vision.layers, " layers, hidden ", vision.hidden,
                           ", ", vision.image, " px, patch ", vision.patch);
  info.projector = join(spec.projector.type, ": ", spec.projector.input, " to ", spec.projector.output);
  info.preprocessing = join(name_of(spec.preprocess.fit), " to ", spec.preprocess.size, "x", spec.preprocess.size);
  info.prompt_template = spec.prompt.template_id;
  info.weight_dtype = name_of(spec.weight_dtype);
  if (language.packing != LanguageSpec::Packing::none) info.weight_dtype = join("awq int4, group ", language.packing_group);
  info.tiles = spec.preprocess.tiling != PreprocessSpec::Tiling::none;
  info.tokens_per_image = static_cast<int32_t>(spec.tokens_per_image());
  info.context_length = static_cast<int32_t>(std::min(spec.prompt.max_length, language.max_positions));
  info.vocab_size = static_cast<int32_t>(language.vocab);
  info.hidden_size = static_cast<int32_t>(language.hidden);
  info.image_placeholder_id = static_cast<int32_t>(spec.prompt.image_token_id);
  info.eos_ids = language.eos_ids;
  info.weight_bytes = static_cast<int64_t>(checkpoint.weight_bytes());
  info.kv_bytes_per_token = kv_bytes_per_token(language, Precision::fp32);
  info.parameters = checkpoint.parameters();
  return info;
}

}  // namespace vila
