// SPDX-License-Identifier: Apache-2.0
#include "graph/quantized_weights.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "common/error.h"
#include "common/hash.h"

namespace vila::graph {
namespace {

kernels::PackedShape shape_of(int64_t out, int64_t in, int32_t bits) {
  return {out, in, kernels::kBlock, bits, kernels::Zero::middle};
}

std::string tensor_name(const std::string& layer, int32_t bits) { return join(layer, ".int", bits); }

/// Quantises the rows of one panel after another until none is left; what is thrown first is kept.
class Work {
 public:
  Work(const TensorRef& matrix, const kernels::PackedShape& shape, uint8_t* packed)
      : matrix_(matrix), shape_(shape), packed_(packed) {}

  void run() noexcept {
    try {
      const auto k = static_cast<size_t>(shape_.k);
      std::vector<float> weights(k);
      std::vector<uint8_t> q(k);
      std::vector<uint16_t> scales(static_cast<size_t>(shape_.groups()));
      const size_t row_bytes = k * size_of(matrix_.dtype);
      for (int64_t panel = next_++; panel < shape_.panels(); panel = next_++) {
        for (int64_t n = panel * kernels::kLanes; n < std::min((panel + 1) * kernels::kLanes, shape_.n); ++n) {
          to_f32(matrix_.dtype, matrix_.data() + static_cast<size_t>(n) * row_bytes, weights.data(), k);
          kernels::quantize_row(shape_, weights.data(), q.data(), scales.data());
          kernels::pack_row(shape_, n, {q.data(), scales.data()}, packed_);
        }
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (error_ == nullptr) error_ = std::current_exception();
      next_ = shape_.panels();
    }
  }
  void rethrow() const {
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

 private:
  const TensorRef& matrix_;
  const kernels::PackedShape& shape_;
  uint8_t* packed_;
  std::atomic<int64_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr error_;
};

void quantize(const LinearUse& layer, const TensorRef& matrix, const kernels::PackedShape& shape, std::vector<uint8_t>& packed) {
  std::fill(packed.begin(), packed.end(), uint8_t{0});
  Work work(matrix, shape, packed.data());
  std::vector<std::thread> helpers;
  for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) helpers.emplace_back([&work] { work.run(); });
  work.run();
  for (std::thread& helper : helpers) helper.join();
  try {
    work.rethrow();
  } catch (const Error& error) {
    fail(error.code(), matrix.file->path(), ": tensor ", layer.name, ".weight: ", error.what());
  }
}

/// Puts a layer's weights into `packed`, which has their size.
using Fill = std::function<void(const LinearUse& layer, const kernels::PackedShape& shape, std::vector<uint8_t>& packed)>;

void write_layers(const std::vector<LinearUse>& layers, const Fill& fill, const WriteBytes& write,
                  const std::function<void(double)>& progress) {
  WeightsHeader header;
  for (const LinearUse& layer : layers) {
    const uint64_t bytes = shape_of(layer.out, layer.in, layer.bits).bytes();
    header.add(tensor_name(layer.name, layer.bits), "U8", {static_cast<int64_t>(bytes)}, bytes);
  }
  const std::string first = header.finish();
  write(first.data(), first.size());
  std::vector<uint8_t> packed;
  double done = 0;
  for (const LinearUse& layer : layers) {
    const kernels::PackedShape shape = shape_of(layer.out, layer.in, layer.bits);
    packed.resize(shape.bytes());
    fill(layer, shape, packed);
    write_aligned(write, packed.data(), packed.size());
    if (progress) progress(++done / static_cast<double>(layers.size()));
  }
}

}  // namespace

void write_quantized_weights(const std::vector<LinearUse>& layers, const TensorStore& tensors, const WriteBytes& write,
                             const std::function<void(double)>& progress) {
  const Fill fill = [&tensors](const LinearUse& layer, const kernels::PackedShape& shape, std::vector<uint8_t>& packed) {
    quantize(layer, tensors.get(layer.name + ".weight", {layer.out, layer.in}), shape, packed);
  };
  write_layers(layers, fill, write, progress);
}

void write_random_weights(const std::vector<LinearUse>& layers, const WriteBytes& write,
                          const std::function<void(double)>& progress) {
  const Fill fill = [](const LinearUse& layer, const kernels::PackedShape& shape, std::vector<uint8_t>& packed) {
    kernels::draw_weights(shape, Hasher().text(layer.name).finish().low, packed.data());
  };
  write_layers(layers, fill, write, progress);
}

QuantizedLinear QuantizedWeights::get(const std::string& layer, int64_t out, int64_t in) const {
  const int32_t bits = store_.contains(tensor_name(layer, 4)) ? 4 : 8;
  const kernels::PackedShape shape = shape_of(out, in, bits);
  return {shape, &store_.get(tensor_name(layer, bits), {static_cast<int64_t>(shape.bytes())})};
}

}  // namespace vila::graph
