// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/logger.h"

#include <utility>

#include "common/log.h"
#include "common/single_line.h"

namespace vila::plan::tensorrt {
namespace {

LogLevel level_of(nvinfer1::ILogger::Severity severity) {
  switch (severity) {
    case nvinfer1::ILogger::Severity::kINTERNAL_ERROR:
    case nvinfer1::ILogger::Severity::kERROR: return LogLevel::error;
    case nvinfer1::ILogger::Severity::kWARNING: return LogLevel::warn;
    case nvinfer1::ILogger::Severity::kINFO: return LogLevel::debug;
    case nvinfer1::ILogger::Severity::kVERBOSE: return LogLevel::trace;
  }
  return LogLevel::trace;
}

}  // namespace

void Logger::log(Severity severity, const char* message) noexcept {
  try {
    const LogLevel level = level_of(severity);
    if (level == LogLevel::error) {
      const std::lock_guard lock(mutex_);
      error_ = single_line(message);
    }
    vila::log(level, "TensorRT: ", single_line(message));
  } catch (...) {  // Out of memory: the line is lost; nothing may be thrown through TensorRT.
  }
}

std::string Logger::take_error() {
  const std::lock_guard lock(mutex_);
  return std::exchange(error_, {});
}

}  // namespace vila::plan::tensorrt
