// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/custom_ops.h"

#include "plan/onnxruntime/handle.h"
#include "plan/onnxruntime/packed_linear.h"

namespace vila::plan::onnxruntime {

OrtCustomOpDomain* make_custom_ops(const OrtApi& api) {
  OrtCustomOpDomain* domain = nullptr;
  check(api, api.CreateCustomOpDomain("vila", &domain), "ONNX Runtime operator domain");
  Handle<OrtCustomOpDomain> owned(domain, api.ReleaseCustomOpDomain);
  check(api, api.CustomOpDomain_Add(domain, packed_linear_op()), "ONNX Runtime operator PackedLinear");
  return owned.release();
}

}  // namespace vila::plan::onnxruntime
