// SPDX-License-Identifier: Apache-2.0
#include "session/vision_encoder.h"

#include "common/error.h"
#include "graph/names.h"

namespace vila {
namespace names = graph::names;
namespace {

plan::Binding bind_input(const char* name, std::vector<int64_t> shape, const std::vector<float>& values) {
  return {name, DType::f32, std::move(shape), const_cast<float*>(values.data())};  // Inputs are only read.
}

plan::Binding bind_output(const char* name, std::vector<int64_t> shape, std::vector<float>& values) {
  return {name, DType::f32, std::move(shape), values.data()};
}

}  // namespace

VisionEncoder::VisionEncoder(const ModelSpec& spec, plan::Plan& vision, plan::Plan& projector, int64_t cache_bytes)
    : spec_(spec), vision_(vision), projector_(projector), cache_(cache_bytes) {}

std::vector<float> VisionEncoder::features(const std::vector<float>& pixels, plan::StopSource* stop) {
  const int64_t side = spec_.vision.image, tokens = spec_.vision.tokens(), channels = spec_.vision.hidden;
  std::vector<float> result(static_cast<size_t>(tokens * channels));
  vision_.run({bind_input(names::kPixelValues, {1, 3, side, side}, pixels)},
              {bind_output(names::kVisionFeatures, {1, tokens, channels}, result)}, stop);
  return result;
}

std::vector<float> VisionEncoder::project(const std::vector<float>& features, plan::StopSource* stop) {
  const int64_t tokens = spec_.tokens_per_image();
  std::vector<float> result(static_cast<size_t>(tokens * spec_.projector.output));
  projector_.run({bind_input(names::kFeatures, {1, spec_.vision.tokens(), spec_.projector.input}, features)},
                 {bind_output(names::kProjected, {1, tokens, spec_.projector.output}, result)}, stop);
  return result;
}

ImageTokens VisionEncoder::encode(const Image::Impl& image, plan::StopSource* stop) {
  if (ImageTokens tokens = cache_.find(image.hash)) return tokens;
  auto tokens = std::make_shared<const std::vector<float>>(project(features(preprocess(image.rgb, spec_.preprocess), stop), stop));
  cache_.put(image.hash, tokens);
  return tokens;
}

EncodedImage VisionEncoder::inspect(const RgbImage& image) { return inspect(preprocess(image, spec_.preprocess)); }

EncodedImage VisionEncoder::inspect(const std::vector<float>& pixel_values) {
  const int64_t side = spec_.vision.image;
  const auto expected = static_cast<size_t>(3 * side * side);
  if (pixel_values.size() != expected) {
    fail(ErrorCode::invalid_argument, "pixel values: ", pixel_values.size(), " numbers, expected ", expected, " ([1,3,", side, ",",
         side, "])");
  }
  EncodedImage result;
  result.pixel_shape = {1, 3, side, side};
  result.pixel_values = pixel_values;
  result.vision_features = features(pixel_values, nullptr);
  result.feature_shape = {1, spec_.vision.tokens(), spec_.vision.hidden};
  result.projected = project(result.vision_features, nullptr);
  result.projected_shape = {1, spec_.tokens_per_image(), spec_.projector.output};
  return result;
}

}  // namespace vila
