// SPDX-License-Identifier: Apache-2.0
// A plan over host memory: inputs are copied to the device, outputs back.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "plan/plan.h"
#include "plan/tensorrt/device.h"
#include "plan/tensorrt/element_rows.h"
#include "plan/tensorrt/engine.h"

namespace vila::plan::tensorrt {

/// Bindings are float32; what the engine takes or gives in another type is converted on the device. Memory on the device is taken by
/// the first run of a size and kept. Any number of threads; they run one after another. A run that has begun is not broken off.
class DevicePlan final : public Plan {
 public:
  /// `label` begins messages.
  DevicePlan(std::unique_ptr<Engine> engine, std::string label);
  void run(const std::vector<Binding>& inputs, const std::vector<Binding>& outputs, StopSource* stop) override;

 private:
  /// An input or output on the device.
  struct Place {
    EngineTensor tensor;
    DeviceMemory own;   ///< in the engine's type
    DeviceMemory wide;  ///< in float32, where that differs
    std::optional<ElementRows> rows;
    int64_t most_rows = 0;
  };
  Place& place_of(const Binding& binding, bool input);
  void upload(const Binding& binding);
  void download(const Binding& binding);

  const std::string label_;
  std::mutex mutex_;  ///< guards all below
  DeviceStream stream_;
  std::map<std::string, Place> places_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace vila::plan::tensorrt
