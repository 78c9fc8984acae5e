// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/engine_backend.h"

#include <utility>

#include "common/error.h"
#include "plan/tensorrt/device_decoder.h"
#include "plan/tensorrt/device_plan.h"
#include "plan/tensorrt/resident_table.h"

namespace vila::plan::tensorrt {

void require_number(int32_t device, int count) {
  if (device >= 0 && device < count) return;
  fail(ErrorCode::invalid_argument, "device ", device, ": found ", count, count == 1 ? " device" : " devices", ", expected ",
       count == 1 ? "0" : join("0 to ", count - 1), " (CUDA_VISIBLE_DEVICES hides those that it does not name)");
}

std::unique_ptr<Plan> EngineBackend::load(const BuiltPlan& plan) {
  const DeviceScope scope(number_);
  return std::make_unique<DevicePlan>(engine(plan), plan.label);
}

std::shared_ptr<const DeviceTable> EngineBackend::load_table(const HostTable& table, DType compute) {
  const DeviceScope scope(number_);
  return std::make_shared<ResidentTable>(table, compute);
}

std::unique_ptr<Decoder> EngineBackend::make_decoder(const DecoderSizes& sizes, std::shared_ptr<const DeviceTable> table,
                                                     std::function<BucketPlans(int64_t capacity)> plans) {
  const DeviceScope scope(number_);
  auto resident = std::dynamic_pointer_cast<const ResidentTable>(std::move(table));
  if (resident == nullptr) fail(ErrorCode::internal, "decoder: an embedding table of another backend");
  return std::make_unique<DeviceDecoder>(sizes, std::move(resident), [this, plans = std::move(plans)](int64_t capacity) {
    const BucketPlans built = plans(capacity);
    BucketEngines engines;
    engines.prefill = engine(built.prefill);
    if (built.decode != nullptr) engines.decode = engine(*built.decode);
    return engines;
  });
}

}  // namespace vila::plan::tensorrt
