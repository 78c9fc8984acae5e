// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/environment.h"

#include <algorithm>
#include <mutex>

#include "common/log.h"
#include "common/single_line.h"
#include "plan/onnxruntime/custom_ops.h"
#include "plan/onnxruntime/handle.h"

namespace vila::plan::onnxruntime {
namespace {

LogLevel level_of(OrtLoggingLevel level) {
  switch (level) {
    case ORT_LOGGING_LEVEL_VERBOSE: return LogLevel::trace;
    case ORT_LOGGING_LEVEL_INFO: return LogLevel::debug;
    case ORT_LOGGING_LEVEL_WARNING: return LogLevel::warn;
    default: return LogLevel::error;
  }
}

void ORT_API_CALL forward_log(void*, OrtLoggingLevel level, const char*, const char* id, const char*, const char* message) {
  try {
    log(level_of(level), "ONNX Runtime, ", single_line(id), ": ", single_line(message));
  } catch (...) {  // Out of memory: the line is lost; nothing may be thrown through ONNX Runtime.
  }
}

}  // namespace

OrtLoggingLevel logging_level() {
  if (log_enabled(LogLevel::trace)) return ORT_LOGGING_LEVEL_VERBOSE;
  if (log_enabled(LogLevel::debug)) return ORT_LOGGING_LEVEL_INFO;
  return ORT_LOGGING_LEVEL_WARNING;
}

const Environment& environment() {
  static std::mutex mutex;
  static const Environment* instance = nullptr;
  const std::lock_guard lock(mutex);
  if (instance != nullptr) return *instance;
  const Search search = process_library();
  if (!search.found) {
    const bool too_old = std::any_of(search.misses.begin(), search.misses.end(), [](const Miss& miss) { return miss.too_old; });
    if (too_old) fail(ErrorCode::unsupported, "only an ONNX Runtime that is too old was found: ", search.advice());
    fail(ErrorCode::not_found, "ONNX Runtime was not found: ", search.advice());
  }
  const OrtApi& api = *search.found->api;
  OrtEnv* env = nullptr;
  check(api, api.CreateEnvWithCustomLogger(forward_log, nullptr, logging_level(), "vila4j", &env), "ONNX Runtime environment");
  Handle<OrtEnv> owned(env, api.ReleaseEnv);
  check(api, api.DisableTelemetryEvents(env), "ONNX Runtime telemetry");
  OrtCustomOpDomain* operators = make_custom_ops(api);
  instance = new Environment{*search.found, owned.release(), operators};  // never deleted: plans may outlive every static object
  return *instance;
}

}  // namespace vila::plan::onnxruntime
