// SPDX-License-Identifier: Apache-2.0
// A vision plan that makes its own pixels of an image, on its device.
#pragma once

#include <array>
#include <cstdint>

#include "common/hash.h"
#include "image/resize.h"
#include "plan/plan.h"
#include "plan/stop_source.h"

namespace vila::plan {

/// An image, and what its bytes become. Nothing is owned.
struct ImageSource {
  const uint8_t* rgb = nullptr;  ///< `height` rows of `width` pixels of 3 bytes
  int32_t width = 0, height = 0;
  int64_t stride = 0;            ///< bytes from row to row, at least 3 * width
  bool on_device = false;        ///< `rgb` is device memory, filled by what `stream` has been given so far
  void* stream = nullptr;        ///< a cudaStream_t; null: the default one
  Hash128 content;               ///< in the host's memory: equal contents have equal pixels
  Placement placement;           ///< its window becomes the pixels
  std::array<std::array<float, 256>, 3> levels{};  ///< the number that a byte of a channel becomes
};

/// Any thread.
class ImagePlan {
 public:
  virtual ~ImagePlan() = default;
  /// The window of `image` as pixels [1, 3, height, width], the bytes of resize_window() and their levels, through the plan. What
  /// is null is left out: `output` (float32, of Plan::run()) leaves it at the pixels, which `pixels` gets as float32. Reads the
  /// image before it returns, also when it throws. Throws invalid_argument for a pointer that is no memory of the plan's device,
  /// the rest as Plan::run() does.
  virtual void run_image(const ImageSource& image, float* pixels, const Binding* output, StopSource* stop) = 0;
};

}  // namespace vila::plan
