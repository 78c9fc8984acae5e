// SPDX-License-Identifier: Apache-2.0
// TensorRT's log lines to vila's listener.
#pragma once

#include <NvInferRuntime.h>

#include <mutex>
#include <string>

namespace vila::plan::tensorrt {

/// Keeps the last error too, for the message of the call that failed. Must outlive what was made with it. Any thread.
class Logger final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* message) noexcept override;
  /// The last error since the last call, in one line; empty when there was none.
  std::string take_error();

 private:
  std::mutex mutex_;
  std::string error_;
};

}  // namespace vila::plan::tensorrt
