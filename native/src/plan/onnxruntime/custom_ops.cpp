// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/custom_ops.h"

#include "graph/names.h"
#include "plan/onnxruntime/bf16_linear.h"
#include "plan/onnxruntime/cached_attention.h"
#include "plan/onnxruntime/full_attention.h"
#include "plan/onnxruntime/handle.h"
#include "plan/onnxruntime/packed_linear.h"
#include "plan/onnxruntime/row_norm.h"

namespace vila::plan::onnxruntime {

OrtCustomOpDomain* make_custom_ops(const OrtApi& api) {
  OrtCustomOpDomain* domain = nullptr;
  check(api, api.CreateCustomOpDomain(graph::names::kVila, &domain), "ONNX Runtime operator domain");
  Handle<OrtCustomOpDomain> owned(domain, api.ReleaseCustomOpDomain);
  for (const OrtCustomOp* op : {packed_linear_op(), packed_linears_op(), packed_gated_op(), bf16_linear_op(), cached_attention_op(),
                                full_attention_op(), row_norm_op()}) {
    check(api, api.CustomOpDomain_Add(domain, op), op->GetName(op));
  }
  return owned.release();
}

}  // namespace vila::plan::onnxruntime
