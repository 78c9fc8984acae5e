// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/step_inputs.h"

#include <algorithm>
#include <utility>

namespace vila::plan::tensorrt {
namespace {

size_t number_bytes(int64_t positions, int64_t sequences) {
  return static_cast<size_t>(sequences) * sizeof(int64_t) + static_cast<size_t>(positions) * sizeof(int32_t);
}

}  // namespace

StepInputs::StepInputs(const DecoderSizes& sizes, std::shared_ptr<const ResidentTable> table, int64_t positions, int64_t sequences,
                       DeviceStream& stream)
    : hidden_(sizes.hidden),
      positions_(positions),
      sequences_(sequences),
      compute_(sizes.compute),
      table_(std::move(table)),
      host_(number_bytes(positions, sequences)),
      host_rows_(row_bytes(positions)),
      numbers_(number_bytes(positions, sequences)),
      rows_(row_bytes(positions)),
      embeds_(static_cast<size_t>(positions * hidden_) * size_of(compute_)),
      first_row_(positions) {
  // put_nothing() may name rows that were never put, or went up between others.
  std::fill_n(host_rows_.get<float>(), positions_ * hidden_, 0.0F);
  stream.clear(rows_.get(), rows_.bytes());
  stream.wait();
}

void StepInputs::put(int64_t first, const SequenceStep& step, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const int32_t source = step.sources[i];
    const int64_t position = first + i;
    if (source >= 0) {
      host_sources()[position] = source;
      continue;
    }
    put_nothing(position);
    std::copy_n(step.rows + ~source * hidden_, hidden_, host_rows_.get<float>() + position * hidden_);
    first_row_ = std::min(first_row_, position);
    end_row_ = std::max(end_row_, position + 1);
  }
}

void StepInputs::put_nothing(int64_t position) { host_sources()[position] = cuda::image_row(static_cast<int32_t>(position)); }

void StepInputs::upload_rows(DeviceStream& stream) {
  if (first_row_ < end_row_) {
    stream.copy(rows_.at(row_bytes(first_row_)), host_rows_.get<float>() + first_row_ * hidden_, row_bytes(end_row_ - first_row_),
                cudaMemcpyHostToDevice);
  }
  first_row_ = positions_;
  end_row_ = 0;
}

void StepInputs::upload(int64_t positions, DeviceStream& stream) const {
  stream.copy(numbers_.get(), host_past(), number_bytes(positions, sequences_), cudaMemcpyHostToDevice);
  const auto* sources = reinterpret_cast<const int32_t*>(numbers_.get<int64_t>() + sequences_);
  cuda::gather_rows(table_->view(), {rows_.get(), DType::f32, positions_}, hidden_, sources, static_cast<int32_t>(positions), compute_,
                    embeds_.get(), stream.get());
}

}  // namespace vila::plan::tensorrt
