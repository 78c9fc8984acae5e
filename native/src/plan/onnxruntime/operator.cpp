// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/operator.h"

namespace vila::plan::onnxruntime {

void* Call::read(const OrtValue* value, std::vector<int64_t>& shape) const {
  OrtTensorTypeAndShapeInfo* raw = nullptr;
  check(api_.GetTensorTypeAndShape(value, &raw));
  const Handle<OrtTensorTypeAndShapeInfo> info(raw, api_.ReleaseTensorTypeAndShapeInfo);
  size_t rank = 0;
  check(api_.GetDimensionsCount(raw, &rank));
  shape.resize(rank);
  check(api_.GetDimensions(raw, shape.data(), rank));
  void* data = nullptr;  // The C API has no const form; nothing is written to it.
  check(api_.GetTensorMutableData(const_cast<OrtValue*>(value), &data));
  return data;
}

namespace {

void check_range(const char* op, const char* name, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high)
    fail(ErrorCode::backend, op, ", attribute ", name, ": ", value, ", expected ", low, " to ", high);
}

}  // namespace

int64_t attribute(const OrtApi& api, const OrtKernelInfo* info, const char* op, const char* name, int64_t low, int64_t high) {
  int64_t value = 0;
  check(api, api.KernelInfoGetAttribute_int64(info, name, &value), join(op, ", attribute ", name));
  check_range(op, name, value, low, high);
  return value;
}

std::vector<int64_t> attributes(const OrtApi& api, const OrtKernelInfo* info, const char* op, const char* name, size_t count,
                                int64_t low, int64_t high) {
  const std::string what = join(op, ", attribute ", name);
  size_t size = 0;
  check(api, api.KernelInfoGetAttributeArray_int64(info, name, nullptr, &size), what);
  if (size != count) fail(ErrorCode::backend, what, ": ", size, " numbers, expected ", count);
  std::vector<int64_t> values(size);
  check(api, api.KernelInfoGetAttributeArray_int64(info, name, values.data(), &size), what);
  for (const int64_t value : values) check_range(op, name, value, low, high);
  return values;
}

float float_attribute(const OrtApi& api, const OrtKernelInfo* info, const char* op, const char* name) {
  float value = 0;
  check(api, api.KernelInfoGetAttribute_float(info, name, &value), join(op, ", attribute ", name));
  return value;
}

}  // namespace vila::plan::onnxruntime
