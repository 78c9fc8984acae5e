// SPDX-License-Identifier: Apache-2.0
// What the operators over packed matrices share (custom_ops.h).
#pragma once

#include <onnxruntime_c_api.h>

#include <vector>

#include "kernels/product.h"
#include "plan/onnxruntime/linear_tasks.h"
#include "plan/onnxruntime/operator.h"

namespace vila::plan::onnxruntime {

/// The matrices of one operator, all of which are multiplied with the same x: input 0 is x [.., k], the weights follow.
class PackedMatrices {
 public:
  /// Reads k and, a number for each matrix, n, group, bits and zero. Throws backend for those that no matrices have, or whose groups
  /// do not end at the same input behind k.
  PackedMatrices(const OrtApi& api, const OrtKernelInfo* info, const char* op, size_t count);

  size_t size() const { return shapes_.size(); }
  const kernels::PackedShape& shape(size_t index) const { return shapes_[index]; }

  // What a call has; each throws backend for another size than the matrices'.
  Tensor<float> x(const Call& call) const;
  kernels::PackedMatrix matrix(const Call& call, size_t index) const;
  /// Input `input`, of a number for each output of matrix `index`, if it is not left out.
  Tensor<float> bias(const Call& call, size_t input, size_t index) const;
  /// Output `index`, of matrix `index`.
  float* y(const Call& call, const Tensor<float>& x, size_t index) const;
  int64_t rows(const Tensor<float>& x) const { return x.elements() / shapes_[0].k; }
  /// The rows of x, rounded; in memory of the calling thread, until it rounds others.
  kernels::QuantizedRows rounded(const Call& call, const Tensor<float>& x) const;

 private:
  std::vector<kernels::PackedShape> shapes_;
};

inline constexpr int64_t kPairOutputs = 2 * kernels::kLanes;  ///< of a pair of panels, which products take best

inline int64_t panel_pairs(const kernels::PackedShape& shape) { return (shape.panels() + 1) / 2; }

/// The outputs of pairs [begin, end) of panels, which may reach beyond the last panel, as a matrix.
kernels::PackedMatrix pairs_of(const kernels::PackedMatrix& matrix, int64_t begin, int64_t end);

/// Calls work(begin, end) in the session's threads, for shares of `pairs` of panels with `bytes` of weights.
template <typename Work>
void share_pairs(const Call& call, size_t bytes, int64_t rows, int64_t pairs, const Work& work) {
  const int64_t tasks = linear_tasks(bytes, rows, pairs);
  call.parallel_for(tasks, [&](int64_t task) { work(pairs * task / tasks, pairs * (task + 1) / tasks); });
}

/// Every output of a matrix for every row: y[row, n] with rows `stride` apart.
void multiply(const kernels::PackedMatrix& matrix, const kernels::QuantizedRows& rows, float* y, int64_t stride);

}  // namespace vila::plan::onnxruntime
