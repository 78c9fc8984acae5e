// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/full_attention.h"

#include "kernels/full_attention.h"
#include "plan/onnxruntime/operator.h"

namespace vila::plan::onnxruntime {
namespace {

constexpr int64_t kMostHeads = 1 << 12;

class FullAttention {
 public:
  static constexpr const char* kName = "FullAttention";
  static constexpr ONNXTensorElementDataType kFloat = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  static constexpr ONNXTensorElementDataType kInputs[] = {kFloat, kFloat, kFloat};
  static constexpr size_t kOptional = 3;
  static constexpr ONNXTensorElementDataType kOutputs[] = {kFloat};

  FullAttention(const OrtApi& api, const OrtKernelInfo* info)
      : api_(api),
        heads_(attribute(api, info, kName, "num_heads", 1, kMostHeads)),
        scale_(float_attribute(api, info, kName, "scale")) {}
  const OrtApi& api() const { return api_; }

  void compute(const Call& call) const {
    const auto q = call.input<float>(0), k = call.input<float>(1), v = call.input<float>(2);
    call.expect("dimensions of q:", static_cast<int64_t>(q.shape.size()), 3);
    kernels::FullAttentionStep step;
    step.batch = q.shape[0], step.tokens = q.shape[1], step.heads = heads_, step.head_dim = q.shape[2] / heads_;
    if (step.head_dim < 1 || step.head_dim > kernels::kMostFullHeadDim) {
      fail(ErrorCode::backend, kName, ": head_dim ", step.head_dim, ", expected 1 to ", kernels::kMostFullHeadDim);
    }
    call.expect("columns of q:", q.shape[2], heads_ * step.head_dim);
    call.expect("elements of k:", k.elements(), q.elements());
    call.expect("elements of v:", v.elements(), q.elements());
    step.q = q.data, step.k = k.data, step.v = v.data, step.scale = scale_;
    step.out = call.output<float>(0, q.shape);
    if (q.elements() == 0) return;
    static thread_local Scratch heads;  // A run stays on its thread until the attention is done.
    uint8_t* prepared = heads.reserve(kernels::full_prepared_bytes(step));
    const kernels::FullAttention& attention = kernels::full_attentions().front();
    call.parallel_for(kernels::full_prepare_tasks(step), [&](int64_t task) { attention.prepare(step, task, prepared); });
    call.parallel_for(kernels::full_attend_tasks(step), [&](int64_t task) {
      static thread_local Scratch scratch;
      attention.attend(step, task, prepared, scratch.reserve(kernels::full_scratch_bytes(step)));
    });
  }

 private:
  const OrtApi& api_;
  int64_t heads_;
  float scale_;
};

}  // namespace

const OrtCustomOp* full_attention_op() {
  static const OrtCustomOp op = make_operator<FullAttention>();
  return &op;
}

}  // namespace vila::plan::onnxruntime
