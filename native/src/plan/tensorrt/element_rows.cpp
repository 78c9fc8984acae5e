// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/element_rows.h"

#include <numeric>
#include <vector>

#include "common/error.h"

namespace vila::plan::tensorrt {

ElementRows::ElementRows(int64_t rows, DeviceStream& stream) : numbers_(static_cast<size_t>(rows) * sizeof(int32_t)), rows_(rows) {
  std::vector<int32_t> numbers(static_cast<size_t>(rows));
  std::iota(numbers.begin(), numbers.end(), 0);
  stream.copy(numbers_.get(), numbers.data(), numbers_.bytes(), cudaMemcpyHostToDevice);
  stream.wait();
}

void ElementRows::convert(const void* from, DType from_type, void* to, DType type, int64_t width, int64_t count,
                          DeviceStream& stream) const {
  if (count > rows_) fail(ErrorCode::internal, "device: ", count, " rows, at most ", rows_, " were expected");
  cuda::gather_rows({from, from_type, count}, {}, width, numbers_.get<int32_t>(), static_cast<int32_t>(count), type, to, stream.get());
}

}  // namespace vila::plan::tensorrt
