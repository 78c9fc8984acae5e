// SPDX-License-Identifier: Apache-2.0
// What a step takes besides caches: embeddings, and where each sequence stands.
#pragma once

#include <cstdint>

#include "plan/device_backend.h"
#include "plan/tensorrt/device.h"
#include "plan/tensorrt/element_rows.h"

namespace vila::plan::tensorrt {

/// Places for them in the host's page-locked memory and on the device; the same addresses always, so that a captured step can be
/// run again with other numbers.
class StepInputs {
 public:
  /// For up to `positions` in all, and up to `sequences`.
  StepInputs(const DecoderSizes& sizes, int64_t positions, int64_t sequences);

  /// To be written before upload(), and not before the work that it enqueued is done.
  float* host_embeds(int64_t position) const { return host_embeds_.get<float>() + position * hidden_; }
  int64_t* host_past() const { return host_past_.get<int64_t>(); }
  /// Enqueues copies to the device, and conversion to the compute type, of so many of them.
  void upload(int64_t positions, int64_t sequences, DeviceStream& stream) const;

  void* embeds() const { return embeds_.get(); }  ///< [positions, hidden] of the compute type
  void* past() const { return past_.get(); }      ///< int64 [sequences]

 private:
  const int64_t hidden_;
  const DType compute_;
  ElementRows rows_;
  HostMemory host_embeds_, host_past_;
  DeviceMemory wide_embeds_;  ///< float32; empty where that is the compute type
  DeviceMemory embeds_, past_;
};

}  // namespace vila::plan::tensorrt
