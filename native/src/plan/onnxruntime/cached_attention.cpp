// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/cached_attention.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "kernels/attention.h"
#include "kernels/attention_tiles.h"
#include "plan/onnxruntime/operator.h"

namespace vila::plan::onnxruntime {
namespace {

constexpr int64_t kMostHeads = 1 << 12, kMostLayers = 1 << 12;

class CachedAttention {
 public:
  static constexpr const char* kName = "CachedAttention";
  static constexpr ONNXTensorElementDataType kFloat = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
                                             kInt = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
  static constexpr ONNXTensorElementDataType kInputs[] = {kFloat, kFloat, kFloat, kInt, kInt, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
                                                          kFloat, kFloat};
  static constexpr size_t kOptional = std::size(kInputs);
  static constexpr ONNXTensorElementDataType kOutputs[] = {kFloat};

  CachedAttention(const OrtApi& api, const OrtKernelInfo* info)
      : api_(api),
        heads_(attribute(api, info, kName, "num_heads", 1, kMostHeads)),
        kv_heads_(attribute(api, info, kName, "kv_num_heads", 1, heads_)),
        layer_(attribute(api, info, kName, "layer", 0, kMostLayers - 1)),
        scale_(float_attribute(api, info, kName, "scale")) {
    if (heads_ % kv_heads_ != 0) fail(ErrorCode::backend, kName, ": ", heads_, " heads, expected a multiple of ", kv_heads_);
  }
  const OrtApi& api() const { return api_; }

  void compute(const Call& call) const {
    const auto q = call.input<float>(0), k = call.input<float>(1), v = call.input<float>(2);
    const auto memory = call.input<int64_t>(3), capacity = call.input<int64_t>(4);
    const auto last = call.input<int32_t>(5);
    const auto cos = call.input<float>(6), sin = call.input<float>(7);
    call.expect("dimensions of q:", static_cast<int64_t>(q.shape.size()), 3);
    call.expect("dimensions of kv_memory:", static_cast<int64_t>(memory.shape.size()), 3);
    call.expect("dimensions of cos:", static_cast<int64_t>(cos.shape.size()), 2);
    kernels::AttentionStep step;
    step.batch = q.shape[0], step.length = q.shape[1], step.heads = heads_, step.kv_heads = kv_heads_;
    step.head_dim = q.shape[2] / heads_;
    if (step.head_dim < 2 || step.head_dim % 2 != 0 || step.head_dim > kernels::kMostHeadDim) {
      fail(ErrorCode::backend, kName, ": head_dim ", step.head_dim, ", expected an even number up to ", kernels::kMostHeadDim);
    }
    const int64_t key = step.batch * step.length * kv_heads_ * step.head_dim;
    call.expect("columns of q:", q.shape[2], heads_ * step.head_dim);
    call.expect("elements of k:", k.elements(), key);
    call.expect("elements of v:", v.elements(), key);
    call.expect("caches:", memory.shape[0], step.batch);
    call.expect("addresses of a layer:", memory.shape[2], 2);
    call.expect("capacities:", capacity.elements(), step.batch);
    call.expect("sequences:", last.elements(), step.batch);
    call.expect("columns of cos:", cos.shape[1], step.head_dim / 2);
    call.expect("elements of sin:", sin.elements(), cos.elements());
    const int64_t layers = memory.shape[1];
    if (layer_ >= layers) fail(ErrorCode::backend, kName, ": layer ", layer_, ", expected less than ", layers);
    std::vector<kernels::CachedSequence> sequences(static_cast<size_t>(step.batch));
    for (size_t s = 0; s < sequences.size(); ++s) {
      const int64_t before = int64_t{last.data[s]} + 1 - step.length, most = std::min(capacity.data[s], cos.shape[0]);
      if (before < 0 || before + step.length > most) {
        fail(ErrorCode::backend, kName, ": ", step.length, " positions behind ", before, ", expected at most ", most, " in all");
      }
      const int64_t* at = memory.data + (static_cast<int64_t>(s) * layers + layer_) * 2;
      sequences[s] = {address(at[0]), address(at[1]), capacity.data[s], before};
      if (at[0] == 0 || at[1] == 0) fail(ErrorCode::backend, kName, ": no memory at cache ", s);
    }
    step.q = q.data, step.k = k.data, step.v = v.data, step.cos = cos.data, step.sin = sin.data;
    step.sequences = sequences.data();
    step.scale = scale_;
    step.out = call.output<float>(0, q.shape);
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
  static uint16_t* address(int64_t number) { return std::bit_cast<uint16_t*>(number); }

  const OrtApi& api_;
  int64_t heads_, kv_heads_, layer_;
  float scale_;
};

}  // namespace

const OrtCustomOp* cached_attention_op() {
  static const OrtCustomOp op = make_operator<CachedAttention>();
  return &op;
}

}  // namespace vila::plan::onnxruntime
