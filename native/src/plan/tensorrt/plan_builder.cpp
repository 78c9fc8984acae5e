// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/plan_builder.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "plan/tensorrt/build_progress.h"
#include "plan/tensorrt/timing_cache.h"

namespace vila::plan::tensorrt {
namespace {

nvinfer1::Dims dims_of(const std::vector<int64_t>& shape) {
  nvinfer1::Dims dims{};
  dims.nbDims = static_cast<int32_t>(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) dims.d[i] = shape[i];
  return dims;
}

/// Whether least <= usual <= most and what is fixed in the network agrees.
bool fits(const InputRange& range, const std::vector<int64_t>& shape) {
  if (range.least.size() != shape.size() || range.usual.size() != shape.size() || range.most.size() != shape.size()) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t least = range.least[i], usual = range.usual[i], most = range.most[i];
    if (least < 1 || least > usual || usual > most || (shape[i] >= 0 && (least != shape[i] || most != shape[i]))) return false;
  }
  return true;
}

/// What TensorRT makes no plan of without knowing.
void set_ranges(Network& network, nvinfer1::IOptimizationProfile& profile, const BuildRequest& request,
                const std::vector<InputRange>& ranges) {
  for (const NetworkTensor& input : network.inputs()) {
    const InputRange* range = nullptr;
    for (const InputRange& candidate : ranges) {
      if (candidate.name == input.name) range = &candidate;
    }
    const bool dynamic = std::find(input.shape.begin(), input.shape.end(), -1) != input.shape.end();
    if (range == nullptr && !dynamic) continue;
    if (range == nullptr || input.shape.size() > nvinfer1::Dims::MAX_DIMS || !fits(*range, input.shape)) {
      fail(ErrorCode::invalid_argument, request.label, ": input ", input.name, " has no range of shapes that fits it");
    }
    using Selector = nvinfer1::OptProfileSelector;
    const char* name = range->name.c_str();
    if (!profile.setDimensions(name, Selector::kMIN, dims_of(range->least)) ||
        !profile.setDimensions(name, Selector::kOPT, dims_of(range->usual)) ||
        !profile.setDimensions(name, Selector::kMAX, dims_of(range->most))) {
      fail(ErrorCode::invalid_argument, request.label, ": TensorRT does not take the shapes of input ", input.name);
    }
  }
}

/// What earlier builds measured, or an empty one.
std::unique_ptr<nvinfer1::ITimingCache> timing_cache(nvinfer1::IBuilderConfig& config, const BuildRequest& request) {
  const std::string bytes = request.timing_cache.empty() ? std::string() : read_timing_cache(request.timing_cache);
  std::unique_ptr<nvinfer1::ITimingCache> cache(config.createTimingCache(bytes.data(), bytes.size()));
  if (cache != nullptr && config.setTimingCache(*cache, false)) return cache;
  if (bytes.empty()) return nullptr;
  log(LogLevel::warn, request.timing_cache, ": TensorRT does not take this timing cache; it is made again");
  cache.reset(config.createTimingCache(nullptr, 0));
  return cache != nullptr && config.setTimingCache(*cache, false) ? std::move(cache) : nullptr;
}

}  // namespace

std::string build_plan(Network& network, const BuildRequest& request) {
  nvinfer1::IBuilder& builder = network.builder();
  const std::unique_ptr<nvinfer1::IBuilderConfig> config(builder.createBuilderConfig());
  if (config == nullptr) fail(ErrorCode::backend, request.label, ": TensorRT makes no configuration: ", network.take_error());
  for (const std::vector<InputRange>& ranges : request.ranges) {
    nvinfer1::IOptimizationProfile* profile = builder.createOptimizationProfile();  // the builder's
    if (profile == nullptr) fail(ErrorCode::backend, request.label, ": TensorRT makes no profile: ", network.take_error());
    set_ranges(network, *profile, request, ranges);
    if (config->addOptimizationProfile(profile) < 0) {
      fail(ErrorCode::backend, request.label, ": TensorRT does not take the shapes: ", network.take_error());
    }
  }
  if (request.strip) {
    config->setFlag(nvinfer1::BuilderFlag::kSTRIP_PLAN);
    config->setFlag(nvinfer1::BuilderFlag::kREFIT_IDENTICAL);
  }
  config->setMaxAuxStreams(0);  // A step is one stream's work, so that it can be captured as it is.
  std::unique_ptr<nvinfer1::ITimingCache> cache = timing_cache(*config, request);
  BuildProgress progress(request.progress, request.stop);
  config->setProgressMonitor(&progress);
  const std::unique_ptr<nvinfer1::IHostMemory> plan(builder.buildSerializedNetwork(network.definition(), *config));
  progress.rethrow();
  if (progress.cancelled()) fail(ErrorCode::cancelled, request.label, ": cancelled while TensorRT built the plan");
  if (plan == nullptr || plan->size() == 0) {
    fail(ErrorCode::backend, request.label, ": TensorRT builds no plan: ", network.take_error());
  }
  if (cache != nullptr && !request.timing_cache.empty()) {
    const std::unique_ptr<nvinfer1::IHostMemory> measured(cache->serialize());
    if (measured != nullptr) write_timing_cache(request.timing_cache, measured->data(), measured->size());
  }
  network.keep(std::move(cache));
  return {static_cast<const char*>(plan->data()), plan->size()};
}

}  // namespace vila::plan::tensorrt
