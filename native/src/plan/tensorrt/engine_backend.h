// SPDX-License-Identifier: Apache-2.0
// A device backend over engines: what is the same whoever makes them.
#pragma once

#include <functional>
#include <memory>

#include "plan/device_backend.h"
#include "plan/tensorrt/engine.h"

namespace vila::plan::tensorrt {

/// Loads plans and makes decoders from engines. Any thread.
class EngineBackend : public DeviceBackend {
 public:
  std::unique_ptr<Plan> load(const BuiltPlan& plan) override;
  /// The decoder keeps using this backend.
  std::unique_ptr<Decoder> make_decoder(const DecoderSizes& sizes, std::function<BucketPlans(int64_t capacity)> plans) override;

 private:
  /// A built plan that can be run. Throws bad_file for bytes that are no plan of this backend.
  virtual std::unique_ptr<Engine> engine(const BuiltPlan& plan) const = 0;
};

}  // namespace vila::plan::tensorrt
