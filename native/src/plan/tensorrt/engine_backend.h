// SPDX-License-Identifier: Apache-2.0
// A device backend over engines: what is the same whoever makes them.
#pragma once

#include <functional>
#include <memory>

#include "plan/device_backend.h"
#include "plan/tensorrt/engine.h"

namespace vila::plan::tensorrt {

/// Throws invalid_argument unless there is a device of this number among `count`.
void require_number(int32_t device, int count);

/// Loads plans and makes decoders from engines, on one device. Any thread.
class EngineBackend : public DeviceBackend {
 public:
  /// `device`: its number, as CUDA counts.
  explicit EngineBackend(int device) : number_(device) {}
  std::unique_ptr<Plan> load(const BuiltPlan& plan) override;
  std::shared_ptr<const DeviceTable> load_table(const HostTable& table, DType compute) override;
  /// The decoder keeps using this backend.
  std::unique_ptr<Decoder> make_decoder(const DecoderSizes& sizes, std::shared_ptr<const DeviceTable> table,
                                        std::function<BucketPlans(int64_t capacity)> plans) override;

 protected:
  int number() const { return number_; }

 private:
  /// A built plan that can be run. Throws bad_file for bytes that are no plan of this backend.
  /// Called while the device is the current one.
  virtual std::unique_ptr<Engine> engine(const BuiltPlan& plan) const = 0;

  const int number_;
};

}  // namespace vila::plan::tensorrt
