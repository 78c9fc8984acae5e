// SPDX-License-Identifier: Apache-2.0
// A plan over host memory: inputs are copied to the device, outputs back.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "cuda/image_resize.h"
#include "plan/image_plan.h"
#include "plan/plan.h"
#include "plan/tensorrt/device.h"
#include "plan/tensorrt/element_rows.h"
#include "plan/tensorrt/engine.h"

namespace vila::plan::tensorrt {

/// Bindings are float32; what the engine takes or gives in another type is converted on the device. Memory on the device is taken by
/// the first run of a size and kept. Any number of threads; they run one after another. A run that has begun is not broken off.
class DevicePlan final : public Plan, public ImagePlan {
 public:
  /// Of the current device, which every call makes the current one of its thread. `label` begins messages.
  DevicePlan(std::unique_ptr<Engine> engine, std::string label);
  ~DevicePlan() override;
  DevicePlan(const DevicePlan&) = delete;
  DevicePlan& operator=(const DevicePlan&) = delete;
  void run(const std::vector<Binding>& inputs, const std::vector<Binding>& outputs, StopSource* stop) override;
  /// This, where the engine takes pixels.
  ImagePlan* images() override;
  /// The image resized and normalised straight into the engine's input. An image of the host is copied to the device first, where
  /// the last one is kept: its tiles are cut from one copy.
  void run_image(const ImageSource& image, float* pixels, const Binding* output, StopSource* stop) override;

 private:
  /// An input or output on the device.
  struct Place {
    EngineTensor tensor;
    DeviceMemory own;   ///< in the engine's type
    DeviceMemory wide;  ///< in float32, where that differs
    std::optional<ElementRows> rows;
    int64_t most_rows = 0;
  };
  /// What resizing images of one size in one way needs.
  struct Resizing {
    cuda::ResizePlan plan;
    DeviceMemory tables, workspace, result;
  };
  void check_stop(StopSource* stop) const;
  Place& place_of(const Binding& binding, bool input);
  /// Binds an input of this shape, which `binding` need not have memory for.
  Place& input_place(const Binding& binding);
  void upload(const Binding& binding);
  void download(const Binding& binding);
  /// The image in device memory, ready on the stream.
  cuda::DeviceImage stage(const ImageSource& image);
  const Resizing& resizing_of(const ImageSource& image);

  const std::string label_;
  const int device_ = current_device();
  std::mutex mutex_;  ///< guards all below
  DeviceStream stream_;
  DeviceEvent ready_;
  std::map<std::string, Place> places_;
  DeviceMemory staged_, wide_pixels_;
  Hash128 staged_content_;  ///< of what staged_ holds; zero: nothing
  std::optional<Resizing> resizing_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace vila::plan::tensorrt
