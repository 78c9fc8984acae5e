// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/step_inputs.h"

namespace vila::plan::tensorrt {
namespace {

size_t floats(int64_t count) { return static_cast<size_t>(count) * sizeof(float); }

}  // namespace

StepInputs::StepInputs(const DecoderSizes& sizes, int64_t positions, int64_t sequences)
    : hidden_(sizes.hidden),
      compute_(sizes.compute),
      rows_(positions),
      host_embeds_(floats(positions * hidden_)),
      host_past_(static_cast<size_t>(sequences) * sizeof(int64_t)),
      wide_embeds_(compute_ == DType::f32 ? 0 : floats(positions * hidden_)),
      embeds_(static_cast<size_t>(positions * hidden_) * size_of(compute_)),
      past_(static_cast<size_t>(sequences) * sizeof(int64_t)) {}

void StepInputs::upload(int64_t positions, int64_t sequences, DeviceStream& stream) const {
  const bool narrow = compute_ != DType::f32;
  stream.copy(narrow ? wide_embeds_.get() : embeds_.get(), host_embeds_.get<float>(), floats(positions * hidden_),
              cudaMemcpyHostToDevice);
  stream.copy(past_.get(), host_past_.get<int64_t>(), static_cast<size_t>(sequences) * sizeof(int64_t), cudaMemcpyHostToDevice);
  if (narrow) rows_.convert(wide_embeds_.get(), DType::f32, embeds_.get(), compute_, hidden_, positions, stream);
}

}  // namespace vila::plan::tensorrt
