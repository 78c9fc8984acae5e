// SPDX-License-Identifier: Apache-2.0
// A library that claims to be an ONNX Runtime of long ago.
#include <onnxruntime_c_api.h>

namespace {

const OrtApi* ORT_API_CALL no_api(uint32_t) noexcept { return nullptr; }
const char* ORT_API_CALL version() noexcept { return "1.16.3"; }
const OrtApiBase base{no_api, version};

}  // namespace

extern "C" __attribute__((visibility("default"))) const OrtApiBase* OrtGetApiBase() noexcept { return &base; }
