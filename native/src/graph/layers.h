// SPDX-License-Identifier: Apache-2.0
// Operations of a dialect on tensors named in a store: what the builders are written with.
#pragma once

#include <memory>
#include <string>

#include "checkpoint/checkpoint.h"
#include "graph/builders.h"
#include "graph/dialect.h"
#include "graph/packed_weights.h"

namespace vila::graph {

/// The dialect that `options` ask for. Throws unsupported for a compute type it does not write.
std::unique_ptr<Dialect> make_dialect(const std::string& graph_name, const BuildOptions& options);

/// Reads "<layer>.weight" and "<layer>.bias" from one store; where `options` have quantised weights, all linear layers come from
/// there, otherwise those that are in `packed` (may be null, see packed_weights.h). Does not own its arguments. Throws bad_file for
/// a missing tensor or another shape than expected.
class Layers {
 public:
  Layers(Dialect& dialect, const TensorStore& tensors, const BuildOptions& options, const PackedWeights* packed = nullptr)
      : dialect_(dialect), tensors_(tensors), options_(options), packed_(packed) {}
  /// What a Dialect computes linear layers from; each is asked for once.
  Linear linear(const std::string& layer, int64_t in, int64_t out, bool bias) const;
  Value linear(const Value& x, const std::string& layer, int64_t in, int64_t out, bool bias) const {
    return dialect_.linear(x, linear(layer, in, out, bias));
  }
  Value layer_norm(const Value& x, const std::string& layer, int64_t size, double eps) const;
  Value rms_norm(const Value& x, const std::string& layer, int64_t size, double eps) const;
  Dialect::Residual add_rms_norm(const Value& x, const Value& delta, const std::string& layer, int64_t size, double eps) const;
  Value weight(const std::string& tensor, const std::vector<int64_t>& shape) const;
  const TensorRef& tensor(const std::string& name, const std::vector<int64_t>& shape) const { return tensors_.get(name, shape); }

 private:
  Dialect& dialect_;
  const TensorStore& tensors_;
  const BuildOptions& options_;
  const PackedWeights* packed_;
};

}  // namespace vila::graph
