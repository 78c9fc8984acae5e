// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/device_plan.h"

#include <utility>

#include "common/error.h"

namespace vila::plan::tensorrt {
namespace {

int64_t elements(const Binding& binding) {
  int64_t count = 1;
  for (const int64_t dim : binding.shape) count *= dim;
  return count;
}

int64_t width(const Binding& binding) { return binding.shape.empty() ? 1 : binding.shape.back(); }

size_t float_bytes(const Binding& binding) { return static_cast<size_t>(elements(binding)) * sizeof(float); }

}  // namespace

DevicePlan::DevicePlan(std::unique_ptr<Engine> engine, std::string label) : label_(std::move(label)), engine_(std::move(engine)) {
  for (const EngineTensor& tensor : engine_->tensors()) places_[tensor.name].tensor = tensor;
}

DevicePlan::Place& DevicePlan::place_of(const Binding& binding, bool input) {
  const auto found = places_.find(binding.name);
  if (found == places_.end() || found->second.tensor.input != input) {
    fail(ErrorCode::internal, label_, ": no ", input ? "input" : "output", " named ", binding.name);
  }
  Place& place = found->second;
  const std::vector<int64_t>& shape = place.tensor.shape;
  bool fits = binding.dtype == DType::f32 && binding.data != nullptr && binding.shape.size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) fits = binding.shape[i] > 0 && (shape[i] < 0 || shape[i] == binding.shape[i]);
  if (!fits) fail(ErrorCode::internal, label_, ": ", binding.name, " is bound to memory that does not fit its shape");
  const size_t own = static_cast<size_t>(elements(binding)) * size_of(place.tensor.dtype);
  if (place.own.bytes() < own) place.own = DeviceMemory(own);
  if (place.tensor.dtype != DType::f32) {
    if (place.wide.bytes() < float_bytes(binding)) place.wide = DeviceMemory(float_bytes(binding));
    const int64_t rows = elements(binding) / width(binding);
    if (place.most_rows < rows) place.rows.emplace(rows), place.most_rows = rows;
  }
  engine_->bind(binding.name, place.own.get());
  return place;
}

void DevicePlan::upload(const Binding& binding) {
  const Place& place = place_of(binding, true);
  engine_->shape(binding.name, binding.shape);
  const bool same = place.tensor.dtype == DType::f32;
  stream_.copy(same ? place.own.get() : place.wide.get(), binding.data, float_bytes(binding), cudaMemcpyHostToDevice);
  if (same) return;
  place.rows->convert(place.wide.get(), DType::f32, place.own.get(), place.tensor.dtype, width(binding),
                      elements(binding) / width(binding), stream_);
}

void DevicePlan::download(const Binding& binding) {
  const Place& place = places_.at(binding.name);
  const bool same = place.tensor.dtype == DType::f32;
  if (!same) {
    place.rows->convert(place.own.get(), place.tensor.dtype, place.wide.get(), DType::f32, width(binding),
                        elements(binding) / width(binding), stream_);
  }
  stream_.copy(binding.data, same ? place.own.get() : place.wide.get(), float_bytes(binding), cudaMemcpyDeviceToHost);
}

void DevicePlan::run(const std::vector<Binding>& inputs, const std::vector<Binding>& outputs, StopSource* stop) {
  const std::lock_guard lock(mutex_);
  const auto check_stop = [&] {
    if (stop != nullptr && stop->raised()) fail(ErrorCode::cancelled, label_, ": cancelled");
  };
  check_stop();
  if (inputs.size() + outputs.size() != places_.size()) {
    fail(ErrorCode::internal, label_, ": ", inputs.size() + outputs.size(), " inputs and outputs are bound, it has ", places_.size());
  }
  for (const Binding& input : inputs) upload(input);
  for (const Binding& output : outputs) place_of(output, false);
  engine_->enqueue(stream_.get());
  for (const Binding& output : outputs) download(output);
  stream_.wait();
  check_stop();
}

}  // namespace vila::plan::tensorrt
