// SPDX-License-Identifier: Apache-2.0
#include "graph/layers.h"

#include "common/error.h"
#include "graph/cpu_dialect.h"
#include "graph/qdq_weights.h"
#include "graph/tensorrt_dialect.h"

namespace vila::graph {

std::unique_ptr<Dialect> make_dialect(const std::string& graph_name, const BuildOptions& options) {
  switch (options.dialect) {
    case DialectKind::cpu:
      if (options.compute != DType::f32) {
        fail(ErrorCode::unsupported, "graph ", graph_name, ": the CPU dialect computes in fp32, found ", name_of(options.compute));
      }
      return std::make_unique<CpuDialect>(graph_name, options.bf16_matrices);
    case DialectKind::tensorrt:
      if (options.hidden_states) {
        fail(ErrorCode::unsupported, "graph ", graph_name, ": hidden states are an output of the CPU dialect alone");
      }
      return std::make_unique<TensorRtDialect>(graph_name, options.compute, options.tensorrt);
  }
  fail(ErrorCode::internal, "graph ", graph_name, ": unknown dialect ", static_cast<int>(options.dialect));
}

Linear Layers::linear(const std::string& layer, int64_t in, int64_t out, bool bias) const {
  if (options_.uses != nullptr) options_.uses->push_back({layer, out, in});
  const TensorRef* added = bias ? &tensors_.get(layer + ".bias", {out}) : nullptr;
  const QdqWeights* qdq = options_.tensorrt.weights;
  if (qdq != nullptr && qdq->contains(layer)) return {qdq->get(layer, out, in), added};
  if (options_.quantized != nullptr) return {options_.quantized->get(layer, out, in), added};
  if (packed_ != nullptr && packed_->contains(layer)) return {packed_->get(layer, out, in), added};
  const std::string weight = layer + ".weight";
  const bool elsewhere = options_.matrices != nullptr && options_.matrices->contains(weight);
  return {&(elsewhere ? *options_.matrices : tensors_).get(weight, {out, in}), added};
}

Value Layers::layer_norm(const Value& x, const std::string& layer, int64_t size, double eps) const {
  return dialect_.layer_norm(x, tensors_.get(layer + ".weight", {size}), tensors_.get(layer + ".bias", {size}), eps);
}

Value Layers::rms_norm(const Value& x, const std::string& layer, int64_t size, double eps) const {
  return dialect_.rms_norm(x, tensors_.get(layer + ".weight", {size}), eps);
}

Dialect::Residual Layers::add_rms_norm(const Value& x, const Value& delta, const std::string& layer, int64_t size,
                                       double eps) const {
  return dialect_.add_rms_norm(x, delta, tensors_.get(layer + ".weight", {size}), eps);
}

Value Layers::weight(const std::string& tensor, const std::vector<int64_t>& shape) const {
  return dialect_.weight(tensors_.get(tensor, shape));
}

}  // namespace vila::graph
