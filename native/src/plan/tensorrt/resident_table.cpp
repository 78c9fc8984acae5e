// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/resident_table.h"

#include <algorithm>

#include "plan/tensorrt/element_rows.h"

namespace vila::plan::tensorrt {
namespace {

constexpr int64_t kPiece = 1024;  // rows that are rounded at once

}  // namespace

ResidentTable::ResidentTable(const HostTable& table, DType compute)
    : dtype_(size_of(compute) < size_of(table.dtype) ? compute : table.dtype),
      rows_(table.rows),
      width_(table.width),
      memory_(static_cast<size_t>(rows_ * width_) * size_of(dtype_)) {
  DeviceStream stream;
  if (dtype_ == table.dtype) {
    stream.copy(memory_.get(), table.data, memory_.bytes(), cudaMemcpyHostToDevice);
    stream.wait();
    return;
  }
  const int64_t most = std::min(kPiece, rows_);
  const size_t from_row = static_cast<size_t>(width_) * size_of(table.dtype), to_row = static_cast<size_t>(width_) * size_of(dtype_);
  const DeviceMemory piece(static_cast<size_t>(most) * from_row);
  const ElementRows elements(most, stream);
  for (int64_t row = 0; row < rows_; row += most) {
    const int64_t count = std::min(most, rows_ - row);
    const auto* from = static_cast<const uint8_t*>(table.data) + static_cast<size_t>(row) * from_row;
    stream.copy(piece.get(), from, static_cast<size_t>(count) * from_row, cudaMemcpyHostToDevice);
    elements.convert(piece.get(), table.dtype, memory_.at(static_cast<size_t>(row) * to_row), dtype_, width_, count, stream);
  }
  stream.wait();
}

}  // namespace vila::plan::tensorrt
