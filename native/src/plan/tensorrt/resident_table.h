// SPDX-License-Identifier: Apache-2.0
// An embedding table in device memory.
#pragma once

#include "cuda/embedding_rows.h"
#include "plan/device_backend.h"
#include "plan/tensorrt/device.h"

namespace vila::plan::tensorrt {

/// Made once a model, read by every step of its decoders.
class ResidentTable final : public DeviceTable {
 public:
  /// Copies `table` to the current device, in its own type or, where `compute` is narrower, in that. Returns when it is there.
  /// Throws as DeviceBackend::load_table() does, internal for other types.
  ResidentTable(const HostTable& table, DType compute);

  size_t bytes() const override { return memory_.bytes(); }
  int64_t width() const { return width_; }
  cuda::RowsView view() const { return {memory_.get(), dtype_, rows_}; }

 private:
  const DType dtype_;
  const int64_t rows_, width_;
  DeviceMemory memory_;
};

}  // namespace vila::plan::tensorrt
