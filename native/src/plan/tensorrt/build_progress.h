// SPDX-License-Identifier: Apache-2.0
// TensorRT's progress while it builds a plan, and the wish to stop.
#pragma once

#include <NvInfer.h>

#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "plan/stop_source.h"

namespace vila::plan::tensorrt {

/// TensorRT reports phases that lie in each other, perhaps from several threads; what is told is one share that never falls. The
/// listener is called only from the thread that made this. Outlives the build.
class BuildProgress final : public nvinfer1::IProgressMonitor {
 public:
  /// See BuildRequest; both may be empty.
  BuildProgress(std::function<bool(double)> listener, StopSource* stop);

  void phaseStart(const char* phase, const char* parent, int32_t steps) noexcept override;
  /// False once the build is to stop.
  bool stepComplete(const char* phase, int32_t step) noexcept override;
  void phaseFinish(const char* phase) noexcept override;

  /// Whether the build was asked to stop.
  bool cancelled() const;
  /// Throws again what the listener has thrown.
  void rethrow() const;

 private:
  struct Phase {
    std::string parent;
    int32_t steps = 0, done = 0;
  };
  /// The share of the whole that is done when `phase` stands where it does. Under the mutex.
  double share(const std::string& phase) const;

  const std::function<bool(double)> listener_;
  StopSource* const stop_;
  const std::thread::id thread_ = std::this_thread::get_id();
  mutable std::mutex mutex_;  ///< guards all below
  std::map<std::string, Phase> phases_;
  double most_ = 0;
  bool cancelled_ = false;
  std::exception_ptr thrown_;
};

}  // namespace vila::plan::tensorrt
