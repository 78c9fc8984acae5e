// SPDX-License-Identifier: Apache-2.0
// Rows of numbers in one type to rows in another, on the device.
#pragma once

#include "cuda/embedding_rows.h"
#include "plan/tensorrt/device.h"

namespace vila::plan::tensorrt {

/// Converts up to a number of rows at a time.
class ElementRows {
 public:
  /// `rows` >= 1. Of use to `stream` alone.
  ElementRows(int64_t rows, DeviceStream& stream);
  /// `count` rows of `width` numbers (f32, f16, bf16), to the nearest where `type` holds less.
  void convert(const void* from, DType from_type, void* to, DType type, int64_t width, int64_t count, DeviceStream& stream) const;

 private:
  DeviceMemory numbers_;  ///< 0, 1, ... , which gather_rows() takes as the rows wanted
  int64_t rows_;
};

}  // namespace vila::plan::tensorrt
