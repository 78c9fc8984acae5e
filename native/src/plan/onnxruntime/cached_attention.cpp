// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/cached_attention.h"

#include <cstring>

#include "kernels/attention.h"
#include "kernels/attention_tiles.h"
#include "plan/onnxruntime/operator.h"

namespace vila::plan::onnxruntime {
namespace {

constexpr int64_t kMostHeads = 1 << 12;

class CachedAttention {
 public:
  static constexpr const char* kName = "CachedAttention";
  static constexpr ONNXTensorElementDataType kFloat = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
                                             kHalf = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
  static constexpr ONNXTensorElementDataType kInputs[] = {kFloat, kFloat, kFloat, kHalf, kHalf, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
                                                          kFloat, kFloat};
  static constexpr size_t kOptional = std::size(kInputs);
  static constexpr ONNXTensorElementDataType kOutputs[] = {kFloat, kHalf, kHalf};

  CachedAttention(const OrtApi& api, const OrtKernelInfo* info)
      : api_(api),
        heads_(attribute(api, info, kName, "num_heads", 1, kMostHeads)),
        kv_heads_(attribute(api, info, kName, "kv_num_heads", 1, heads_)),
        scale_(float_attribute(api, info, kName, "scale")) {
    if (heads_ % kv_heads_ != 0) fail(ErrorCode::backend, kName, ": ", heads_, " heads, expected a multiple of ", kv_heads_);
  }
  const OrtApi& api() const { return api_; }

  void compute(const Call& call) const {
    const auto q = call.input<float>(0), k = call.input<float>(1), v = call.input<float>(2);
    const auto past_key = call.input<uint16_t>(3), past_value = call.input<uint16_t>(4);
    const auto last = call.input<int32_t>(5);
    const auto cos = call.input<float>(6), sin = call.input<float>(7);
    call.expect("dimensions of q:", static_cast<int64_t>(q.shape.size()), 3);
    call.expect("dimensions of the cache:", static_cast<int64_t>(past_key.shape.size()), 4);
    call.expect("dimensions of cos:", static_cast<int64_t>(cos.shape.size()), 2);
    kernels::AttentionStep step;
    step.batch = q.shape[0], step.length = q.shape[1], step.heads = heads_, step.kv_heads = kv_heads_;
    step.head_dim = past_key.shape[3], step.capacity = past_key.shape[2];
    if (step.head_dim < 2 || step.head_dim % 2 != 0 || step.head_dim > kernels::kMostHeadDim) {
      fail(ErrorCode::backend, kName, ": head_dim ", step.head_dim, ", expected an even number up to ", kernels::kMostHeadDim);
    }
    const int64_t cache = step.batch * kv_heads_ * step.capacity * step.head_dim,
                  key = step.batch * step.length * kv_heads_ * step.head_dim;
    call.expect("columns of q:", q.shape[2], heads_ * step.head_dim);
    call.expect("elements of k:", k.elements(), key);
    call.expect("elements of v:", v.elements(), key);
    call.expect("elements of the keys' cache:", past_key.elements(), cache);
    call.expect("elements of the values' cache:", past_value.elements(), cache);
    call.expect("sequences:", last.elements(), step.batch);
    call.expect("columns of cos:", cos.shape[1], step.head_dim / 2);
    call.expect("elements of sin:", sin.elements(), cos.elements());
    std::vector<int32_t> past(static_cast<size_t>(step.batch));
    for (size_t s = 0; s < past.size(); ++s) {
      const int64_t before = int64_t{last.data[s]} + 1 - step.length, most = std::min(step.capacity, cos.shape[0]);
      if (before < 0 || before + step.length > most) {
        fail(ErrorCode::backend, kName, ": ", step.length, " positions behind ", before, ", expected at most ", most, " in all");
      }
      past[s] = static_cast<int32_t>(before);
    }
    step.q = q.data, step.k = k.data, step.v = v.data, step.cos = cos.data, step.sin = sin.data;
    step.past = past.data();
    step.scale = scale_;
    step.out = call.output<float>(0, q.shape);
    step.keys = present(call, 1, past_key);
    step.values = present(call, 2, past_value);
    if (q.elements() == 0) return;
    const kernels::Attention& attention = kernels::attentions().front();
    // A task for each new key would be too small.
    const int64_t appends = kernels::append_tasks(step), shares = std::min<int64_t>(appends, 16);
    call.parallel_for(shares, [&](int64_t share) {
      for (int64_t task = appends * share / shares; task < appends * (share + 1) / shares; ++task) attention.append(step, task);
    });
    call.parallel_for(kernels::attend_tasks(step), [&](int64_t task) {
      static thread_local Scratch scratch;
      attention.attend(step, task, scratch.reserve(kernels::attend_scratch(step)));
    });
  }

 private:
  /// The output that holds the cache after the step: the memory of the input, where the caller bound both to one place.
  static uint16_t* present(const Call& call, size_t index, const Tensor<uint16_t>& past) {
    auto* to = call.output<uint16_t>(index, past.shape);
    if (to != past.data) std::memcpy(to, past.data, static_cast<size_t>(past.elements()) * sizeof(uint16_t));
    return to;
  }

  const OrtApi& api_;
  int64_t heads_, kv_heads_;
  float scale_;
};

}  // namespace

const OrtCustomOp* cached_attention_op() {
  static const OrtCustomOp op = make_operator<CachedAttention>();
  return &op;
}

}  // namespace vila::plan::onnxruntime
