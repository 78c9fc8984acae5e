// SPDX-License-Identifier: Apache-2.0
// From features to language tokens: an optional merge of windows, then linear layers, norms and GELUs in the order of the spec.
#include <cmath>

#include "common/error.h"
#include "graph/layers.h"
#include "graph/names.h"

namespace vila::graph {
namespace {

struct Merged {
  Value rows;
  int64_t tokens;
};

/// Concatenates the channels of each window of the square map, window rows first: [blocks, side*side, channels] to rows
/// [blocks*n*n, window*window*channels] with n = ceil(side/window); what lacks at the bottom and at the right is zero.
Merged merge_windows(Dialect& dialect, const Value& x, const ProjectorSpec& spec, int64_t tokens) {
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(tokens))));
  if (side * side != tokens) {
    fail(ErrorCode::unsupported, "projector ", spec.type, ": ", tokens, " features, expected a square number");
  }
  const int64_t channels = spec.input, window = spec.window;
  const int64_t n = (side + window - 1) / window;
  Value map = dialect.reshape(x, {-1, side, side, channels});
  if (n * window != side) map = dialect.pad_after(map, {0, n * window - side, n * window - side, 0});
  // Axes: block, window row, row inside, window column, column inside, channel.
  const Value windows = dialect.reshape(map, {-1, n, window, n, window, channels});
  const std::vector<int64_t> order =
      spec.column_major ? std::vector<int64_t>{0, 3, 1, 2, 4, 5} : std::vector<int64_t>{0, 1, 3, 2, 4, 5};
  return {dialect.reshape(dialect.transpose(windows, order), {-1, window * window * channels}), n * n};
}

}  // namespace

Graph build_projector(const ProjectorSpec& spec, int64_t tokens, const TensorStore& tensors, const BuildOptions& options) {
  const auto dialect = make_dialect("projector", options);
  const Layers layers(*dialect, tensors, options);
  const Value features = dialect->input(names::kFeatures, dialect->compute(), {"blocks", tokens, spec.input});
  Merged x = spec.kind == ProjectorSpec::Kind::downsample ? merge_windows(*dialect, features, spec, tokens)
                                                          : Merged{dialect->reshape(features, {-1, spec.input}), tokens};
  for (const ProjectorSpec::Layer& layer : spec.layers) {
    dialect->scope(layer.name);
    switch (layer.kind) {
      case ProjectorSpec::Layer::Kind::linear: x.rows = layers.linear(x.rows, layer.name, layer.in, layer.out, true); break;
      case ProjectorSpec::Layer::Kind::layer_norm: x.rows = layers.layer_norm(x.rows, layer.name, layer.in, spec.norm_eps); break;
      case ProjectorSpec::Layer::Kind::gelu: x.rows = dialect->activate(x.rows, Activation::gelu_erf); break;
    }
  }
  dialect->scope("projected");
  dialect->output(dialect->reshape(x.rows, {-1, x.tokens, spec.output}), names::kProjected, dialect->compute(),
                  {"blocks", x.tokens, spec.output});
  return dialect->finish();
}

}  // namespace vila::graph
