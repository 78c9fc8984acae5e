// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/config_readers.h"

namespace vila {
namespace {

using Layer = ProjectorSpec::Layer;
using LayerName = std::function<std::string(int64_t)>;

Layer linear(const std::string& name, int64_t in, int64_t out) { return {Layer::Kind::linear, name, in, out}; }
Layer layer_norm(const std::string& name, int64_t size) { return {Layer::Kind::layer_norm, name, size, size}; }
Layer gelu(int64_t size) { return {Layer::Kind::gelu, "", size, size}; }

/// N linear layers with GELU between, at the places 0, 2, 4, ...
std::vector<Layer> mlp_layers(int64_t depth, int64_t input, int64_t output, const LayerName& name) {
  std::vector<Layer> layers = {linear(name(0), input, output)};
  for (int64_t i = 1; i < depth; ++i) {
    layers.push_back(gelu(output));
    layers.push_back(linear(name(2 * i), output, output));
  }
  return layers;
}

/// Place 0 is the downsampling itself.
std::vector<Layer> downsample_2x2_layers(int64_t input, int64_t output, const LayerName& name) {
  return {layer_norm(name(1), 4 * input), linear(name(2), 4 * input, output), gelu(output), linear(name(4), output, output)};
}

std::vector<Layer> downsample_3x3_layers(int64_t input, int64_t output, const LayerName& name) {
  return {layer_norm(name(1), 9 * input), linear(name(2), 9 * input, 3 * input), gelu(3 * input),
          layer_norm(name(4), 3 * input), linear(name(5), 3 * input, output),    gelu(output),
          linear(name(7), output, output)};
}

/// N of "mlpNx_gelu", N from 1 to 9; 0 for another type.
int64_t mlp_depth(const std::string& type) {
  const bool matches = type.size() == 10 && type.starts_with("mlp") && type.ends_with("x_gelu") && type[3] >= '1' && type[3] <= '9';
  return matches ? type[3] - '0' : 0;
}

}  // namespace

ProjectorSpec make_projector(const std::string& type, int64_t input, int64_t output, bool column_major, const LayerName& layer_name,
                             const std::string& where) {
  ProjectorSpec s;
  s.type = type;
  s.input = input;
  s.output = output;
  if (type == "linear") {
    s.layers = {linear(layer_name(-1), input, output)};
  } else if (const int64_t depth = mlp_depth(type); depth > 0) {
    s.layers = mlp_layers(depth, input, output, layer_name);
  } else if (type == "mlp_downsample" || type == "mlp_downsample_2x2_fix") {
    s.kind = ProjectorSpec::Kind::downsample;
    s.window = 2;
    s.column_major = column_major && type == "mlp_downsample";
    s.layers = downsample_2x2_layers(input, output, layer_name);
  } else if (type == "mlp_downsample_3x3_fix") {
    s.kind = ProjectorSpec::Kind::downsample;
    s.window = 3;
    s.layers = downsample_3x3_layers(input, output, layer_name);
  } else {
    fail(ErrorCode::unsupported, where, ": mm_projector_type is \"", type,
         "\", supported are linear, mlp1x_gelu to mlp9x_gelu, mlp_downsample, mlp_downsample_2x2_fix, mlp_downsample_3x3_fix");
  }
  return s;
}

}  // namespace vila
