// SPDX-License-Identifier: Apache-2.0
// Owning handles on ONNX Runtime's objects, and its status as an exception.
#pragma once

#include <onnxruntime_c_api.h>

#include <memory>
#include <string>

namespace vila::plan::onnxruntime {

/// Owns an object of the C API; made with the function that releases it.
template <typename T>
using Handle = std::unique_ptr<T, void(ORT_API_CALL*)(T*)>;

/// Throws backend "<what>: <ONNX Runtime's message>" unless `status` is null; releases it.
void check(const OrtApi& api, OrtStatus* status, const std::string& what);

}  // namespace vila::plan::onnxruntime
