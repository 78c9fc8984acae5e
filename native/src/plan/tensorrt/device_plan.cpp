// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/device_plan.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "graph/names.h"

namespace vila::plan::tensorrt {
namespace names = graph::names;
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

DevicePlan::~DevicePlan() {
  release_on(device_, [this] { engine_.reset(); });
}

void DevicePlan::check_stop(StopSource* stop) const {
  if (stop != nullptr && stop->raised()) fail(ErrorCode::cancelled, label_, ": cancelled");
}

DevicePlan::Place& DevicePlan::place_of(const Binding& binding, bool input) {
  const auto found = places_.find(binding.name);
  if (found == places_.end() || found->second.tensor.input != input) {
    fail(ErrorCode::internal, label_, ": no ", input ? "input" : "output", " named ", binding.name);
  }
  Place& place = found->second;
  const std::vector<int64_t>& shape = place.tensor.shape;
  bool fits = binding.dtype == DType::f32 && binding.shape.size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) fits = binding.shape[i] > 0 && (shape[i] < 0 || shape[i] == binding.shape[i]);
  if (!fits) fail(ErrorCode::internal, label_, ": ", binding.name, " is bound to memory that does not fit its shape");
  const size_t own = static_cast<size_t>(elements(binding)) * size_of(place.tensor.dtype);
  if (place.own.bytes() < own) place.own = DeviceMemory(own);
  if (place.tensor.dtype != DType::f32) {
    if (place.wide.bytes() < float_bytes(binding)) place.wide = DeviceMemory(float_bytes(binding));
    const int64_t rows = elements(binding) / width(binding);
    if (place.most_rows < rows) place.rows.emplace(rows, stream_), place.most_rows = rows;
  }
  engine_->bind(binding.name, place.own.get());
  return place;
}

DevicePlan::Place& DevicePlan::input_place(const Binding& binding) {
  Place& place = place_of(binding, true);
  engine_->shape(binding.name, binding.shape);
  return place;
}

void DevicePlan::upload(const Binding& binding) {
  const Place& place = input_place(binding);
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
  const DeviceScope scope(device_);
  check_stop(stop);
  if (inputs.size() + outputs.size() != places_.size()) {
    fail(ErrorCode::internal, label_, ": ", inputs.size() + outputs.size(), " inputs and outputs are bound, it has ", places_.size());
  }
  for (const auto* bindings : {&inputs, &outputs}) {
    for (const Binding& binding : *bindings) {
      if (binding.data == nullptr) fail(ErrorCode::internal, label_, ": ", binding.name, " is bound to no memory");
    }
  }
  for (const Binding& input : inputs) upload(input);
  for (const Binding& output : outputs) place_of(output, false);
  engine_->enqueue(stream_.get());
  for (const Binding& output : outputs) download(output);
  stream_.wait();
  check_stop(stop);
}

ImagePlan* DevicePlan::images() { return places_.contains(names::kPixelValues) ? this : nullptr; }

cuda::DeviceImage DevicePlan::stage(const ImageSource& image) {
  const auto row = static_cast<size_t>(image.width) * 3, stride = static_cast<size_t>(image.stride);
  const size_t bytes = stride * static_cast<size_t>(image.height - 1) + row;
  const cuda::DeviceImage there{image.rgb, image.width, image.height, image.stride};
  if (image.on_device) {
    require_device_memory(image.rgb, bytes, "image");
    stream_.follow(static_cast<cudaStream_t>(image.stream), ready_);
    return there;
  }
  if (staged_content_ != image.content || image.content == Hash128{}) {
    staged_content_ = {};
    if (staged_.bytes() < bytes) staged_ = DeviceMemory();  // the old one goes before the new one comes
    if (staged_.bytes() == 0) staged_ = DeviceMemory(bytes);
    stream_.copy(staged_.get(), image.rgb, bytes, cudaMemcpyHostToDevice);
    staged_content_ = image.content;
  }
  return {staged_.get<uint8_t>(), image.width, image.height, image.stride};
}

const DevicePlan::Resizing& DevicePlan::resizing_of(const ImageSource& image) {
  if (resizing_ && resizing_->plan.width() == image.width && resizing_->plan.height() == image.height &&
      resizing_->plan.placement() == image.placement) {
    return *resizing_;
  }
  resizing_.reset();
  cuda::ResizePlan plan(image.width, image.height, image.placement);
  DeviceMemory tables(plan.tables().size() * sizeof(int32_t)), workspace(plan.workspace_bytes()), result(plan.result_bytes());
  stream_.copy(tables.get(), plan.tables().data(), tables.bytes(), cudaMemcpyHostToDevice);
  stream_.wait();  // The plan's tables move away.
  return resizing_.emplace(Resizing{std::move(plan), std::move(tables), std::move(workspace), std::move(result)});
}

void DevicePlan::run_image(const ImageSource& image, float* pixels, const Binding* output, StopSource* stop) {
  const std::lock_guard lock(mutex_);
  const DeviceScope scope(device_);
  check_stop(stop);
  const Window& window = image.placement.window;
  const Resizing& resizing = resizing_of(image);
  try {
    const cuda::DeviceImage from = stage(image);
    cuda::resize_image(resizing.plan, from, resizing.tables.get<int32_t>(), resizing.workspace.get<uint8_t>(),
                       resizing.result.get<uint8_t>(), stream_.get());
    const cuda::DeviceImage square{resizing.result.get<uint8_t>(), window.width, window.height, int64_t{3} * window.width};
    cuda::PixelLevels levels;
    for (size_t c = 0; c < image.levels.size(); ++c) std::copy(image.levels[c].begin(), image.levels[c].end(), levels.level[c]);
    if (pixels != nullptr) {
      const size_t bytes = resizing.result.bytes() * sizeof(float);
      if (wide_pixels_.bytes() != bytes) wide_pixels_ = DeviceMemory(bytes);
      cuda::normalize_pixels(square, levels, 1, 1, DType::f32, wide_pixels_.get(), stream_.get());
      stream_.copy(pixels, wide_pixels_.get(), bytes, cudaMemcpyDeviceToHost);
    }
    if (output != nullptr) {
      const Place& place = input_place({names::kPixelValues, DType::f32, {1, 3, window.height, window.width}, nullptr});
      cuda::normalize_pixels(square, levels, 1, 1, place.tensor.dtype, place.own.get(), stream_.get());
      place_of(*output, false);
      engine_->enqueue(stream_.get());
      download(*output);
    }
  } catch (...) {
    staged_content_ = {};
    cudaStreamSynchronize(stream_.get());  // nobody's image is read behind this call
    throw;
  }
  stream_.wait();
  check_stop(stop);
}

}  // namespace vila::plan::tensorrt
