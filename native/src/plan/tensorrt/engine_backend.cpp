// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/engine_backend.h"

#include <utility>

#include "plan/tensorrt/device_decoder.h"
#include "plan/tensorrt/device_plan.h"

namespace vila::plan::tensorrt {

std::unique_ptr<Plan> EngineBackend::load(const BuiltPlan& plan) { return std::make_unique<DevicePlan>(engine(plan), plan.label); }

std::unique_ptr<Decoder> EngineBackend::make_decoder(const DecoderSizes& sizes,
                                                     std::function<BucketPlans(int64_t capacity)> plans) {
  return std::make_unique<DeviceDecoder>(sizes, [this, plans = std::move(plans)](int64_t capacity) {
    const BucketPlans built = plans(capacity);
    BucketEngines engines;
    engines.prefill = engine(built.prefill);
    if (built.decode != nullptr) engines.decode = engine(*built.decode);
    return engines;
  });
}

}  // namespace vila::plan::tensorrt
