// SPDX-License-Identifier: Apache-2.0
#include "graph/plugin_operator.h"

#include "cuda/attention_reference.h"
#include "graph/names.h"
#include "plan/onnxruntime/operator.h"
#include "plan/onnxruntime/session_plan.h"

namespace vila::testing {
namespace {

using plan::onnxruntime::Call;
using plan::onnxruntime::Environment;

class DecodeAttentionOperator {
 public:
  static constexpr const char* kName = graph::names::kDecodeAttention;
  static constexpr ONNXTensorElementDataType kInputs[] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
                                                          ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32};
  static constexpr size_t kOptional = 4;
  static constexpr ONNXTensorElementDataType kOutputs[] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT};

  DecodeAttentionOperator(const OrtApi& api, const OrtKernelInfo* info)
      : api_(api), scale_(plan::onnxruntime::float_attribute(api, info, kName, "scale")) {}

  const OrtApi& api() const { return api_; }

  void compute(const Call& call) const {
    const auto q = call.input<float>(0), keys = call.input<float>(1), values = call.input<float>(2);
    const auto lengths = call.input<int32_t>(3);
    call.expect("dimensions of q:", static_cast<int64_t>(q.shape.size()), 4);
    call.expect("dimensions of keys:", static_cast<int64_t>(keys.shape.size()), 4);
    const int64_t batch = q.shape[0], heads = q.shape[1], head_dim = q.shape[3], kv_heads = keys.shape[1], capacity = keys.shape[2];
    call.expect("positions of q:", q.shape[2], 1);
    call.expect("batch of keys:", keys.shape[0], batch);
    call.expect("head_dim of keys:", keys.shape[3], head_dim);
    call.expect("elements of values:", values.elements(), keys.elements());
    call.expect("lengths:", lengths.elements(), batch);
    float* out = call.output<float>(0, q.shape);
    for (int64_t b = 0; b < batch; ++b) {
      call.expect("rows beyond the capacity:", std::max<int64_t>(lengths.data[b] - capacity, 0), 0);
      for (int64_t head = 0; head < heads; ++head) {
        const int64_t cache = (b * kv_heads + head / (heads / kv_heads)) * capacity * head_dim, at = (b * heads + head) * head_dim;
        const std::vector<double> sums = attended_head(q.data + at, keys.data + cache, values.data + cache, lengths.data[b],
                                                       head_dim, static_cast<double>(scale_), [](float value) { return value; });
        for (int64_t i = 0; i < head_dim; ++i) out[at + i] = static_cast<float>(sums[static_cast<size_t>(i)]);
      }
    }
  }

 private:
  const OrtApi& api_;
  float scale_;
};

/// The process's environment, with this operator in the place of the CPU dialect's. Lives as long as the process.
const Environment& environment() {
  static const Environment made = [] {
    static const OrtCustomOp op = plan::onnxruntime::make_operator<DecodeAttentionOperator>();
    Environment extended = plan::onnxruntime::environment();
    const OrtApi& api = *extended.library.api;
    plan::onnxruntime::check(api, api.CreateCustomOpDomain(graph::names::kVila, &extended.operators), "operator domain");
    plan::onnxruntime::check(api, api.CustomOpDomain_Add(extended.operators, &op), op.GetName(&op));
    return extended;
  }();
  return made;
}

}  // namespace

std::unique_ptr<plan::Plan> compile_with_plugin(const graph::Graph& graph) {
  plan::CompileOptions options;
  options.threads = 2;
  return std::make_unique<plan::onnxruntime::SessionPlan>(environment(), graph::serialize(graph), graph.name, options);
}

}  // namespace vila::testing
