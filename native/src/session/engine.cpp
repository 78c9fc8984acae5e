// SPDX-License-Identifier: Apache-2.0
#include "session/engine.h"

#include <algorithm>

#include "common/error.h"
#include "common/log.h"
#include "prompt/prompt.h"
#include "session/device_plans.h"
#include "session/progress.h"
#include "session/report.h"

namespace vila {
namespace {

std::string one_of(const std::vector<std::string>& ids) {
  std::string text;
  for (const std::string& id : ids) text += (text.empty() ? "" : ", ") + id;
  return text;
}

}  // namespace

bool wants_device(const LoadOptions& options) { return options.backend == "tensorrt"; }

int64_t check_load_options(const LoadOptions& options, const ModelSpec& spec) {
  if (wants_device(options)) {
    parse_device_precision(options.precision, spec.weight_dtype);
    if (options.device < 0) fail(ErrorCode::invalid_argument, "device: ", options.device, ", expected 0 or more");
  } else {
    if (options.backend != "auto" && options.backend != "onnxruntime") {
      fail(ErrorCode::invalid_argument, "backend: \"", options.backend, "\", expected auto, onnxruntime or tensorrt");
    }
    parse_precision(options.precision);
    if (options.device != 0) {
      fail(ErrorCode::invalid_argument, "device: ", options.device, ", expected 0: only the backend tensorrt chooses among devices");
    }
  }
  if (options.threads < 0 || options.threads > 1024) {
    fail(ErrorCode::invalid_argument, "threads: ", options.threads, ", expected 0 to 1024");
  }
  if (options.max_requests < 1 || options.max_requests > 1024) {
    fail(ErrorCode::invalid_argument, "max_requests: ", options.max_requests, ", expected 1 to 1024");
  }
  if (options.image_cache_bytes < 0) {
    fail(ErrorCode::invalid_argument, "image_cache_bytes: ", options.image_cache_bytes, ", expected 0 or more");
  }
  if (options.prefix_cache_bytes < 0) {
    fail(ErrorCode::invalid_argument, "prefix_cache_bytes: ", options.prefix_cache_bytes, ", expected 0 or more");
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
  engine->load_plans(options, progress);
  engine->vision_.emplace(spec, *engine->plans_.vision, *engine->plans_.projector, options.image_cache_bytes);
  engine->prefixes_.emplace(options.prefix_cache_bytes);
  if (engine->has_language()) {
    engine->scheduler_.emplace(engine->decoder(), options.max_requests);
  }
  report(progress, "ready", 1);
  log(LogLevel::info, "loaded ", path, " (", spec.family, ", context ", engine->context_, ")");
  return engine;
}

void Engine::load_plans(const LoadOptions& options, ProgressListener* progress) {
  if (wants_device(options)) {
    device_ = plan::tensorrt_backend(options.device);
    plans_ = make_device_plans(*checkpoint_, *device_, options, progress, nullptr);
  } else {
    backend_ = plan::onnxruntime_backend();
    plans_ = make_plans(*checkpoint_, *backend_, options, progress, nullptr);
  }
}

ModelInfo Engine::info() const {
  ModelInfo info = describe(*checkpoint_);
  info.context_length = static_cast<int32_t>(context_);
  info.prompt_template = prompt_spec_.template_id;
  const LanguageSpec& language = spec().language;
  if (plans_.device) {
    info.precision = describe(*plans_.device, language);
    info.kv_bytes_per_token = kv_bytes_per_token(language, *plans_.device);
    info.backend = join(device_->name(), " ", device_->version(), ", ", device_->device_name());
  } else {
    info.precision = plan_precision(language, plans_.precision, plans_.kept);
    info.kv_bytes_per_token = kv_bytes_per_token(language, plans_.precision);
    info.backend = backend_->name() + " " + backend_->version();
  }
  return info;
}

}  // namespace vila
