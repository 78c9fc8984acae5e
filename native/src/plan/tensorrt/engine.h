// SPDX-License-Identifier: Apache-2.0
// A plan that can be run: what the runtime needs of TensorRT, and no more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/dtype.h"
#include "cuda/stream.h"

namespace vila::plan::tensorrt {

/// An input or output.
struct EngineTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;  ///< -1 where dynamic
  bool input = false;
};

/// A plan in device memory with the state of one run. One thread at a time. Throws backend with TensorRT's own words.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const std::vector<EngineTensor>& tensors() const = 0;
  /// Device memory for an input or output, aligned to 256 bytes; kept until it is set again.
  virtual void bind(const std::string& name, void* memory) = 0;
  /// The shape of an input; kept until it is set again.
  virtual void shape(const std::string& name, const std::vector<int64_t>& shape) = 0;
  /// Enqueues a run and returns. Everything must be bound. It can be captured once it has run with the same shapes.
  virtual void enqueue(cudaStream_t stream) = 0;
  /// The same weights with a run's state of its own, for the shapes of the plan's range number `range` (BuildRequest::ranges; this
  /// engine takes those of the first). It is enqueued on `stream` only, and may outlive this engine.
  virtual std::unique_ptr<Engine> for_range(int32_t range, cudaStream_t stream) = 0;
};

}  // namespace vila::plan::tensorrt
