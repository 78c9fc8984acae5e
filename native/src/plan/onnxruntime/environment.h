// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's process-wide environment.
#pragma once

#include "plan/onnxruntime/library.h"

namespace vila::plan::onnxruntime {

/// The library and its environment: one a process, made at first use and never torn down.
struct Environment {
  Library library;
  OrtEnv* env = nullptr;
  OrtCustomOpDomain* operators = nullptr;  ///< custom_ops.h
};

/// Loads the library and makes the environment: its log lines go to vila's listener, its telemetry is off. Any thread. Throws
/// not_found, unsupported (only too old libraries were found), backend; a later call tries again.
const Environment& environment();

/// The level at which ONNX Runtime must speak for what vila's listener wants to hear.
OrtLoggingLevel logging_level();

}  // namespace vila::plan::onnxruntime
