// SPDX-License-Identifier: Apache-2.0
// What a step takes besides caches: embeddings, and where each sequence stands.
#pragma once

#include <cstdint>
#include <memory>

#include "plan/device_backend.h"
#include "plan/tensorrt/device.h"
#include "plan/tensorrt/resident_table.h"

namespace vila::plan::tensorrt {

/// Places for them in the host's page-locked memory and on the device; the same addresses always, so that a captured step can be
/// run again with other numbers. What goes up is a number for each position and one for each sequence; rows are gathered on the
/// device, from the table or, for image tokens, from rows that go up by themselves.
///
/// The functions that write are to be called before upload(), and not before the work that the last one enqueued is done.
class StepInputs {
 public:
  /// For up to `positions` in all, and `sequences`. Waits for `stream`.
  StepInputs(const DecoderSizes& sizes, std::shared_ptr<const ResidentTable> table, int64_t positions, int64_t sequences,
             DeviceStream& stream);

  /// The `count` positions of a step take their places from `first` on. Its sources are ids of the table and rows that are there.
  void put(int64_t first, const SequenceStep& step, int64_t count);
  /// A position whose row is finite and means nothing.
  void put_nothing(int64_t position);
  int64_t* host_past() const { return host_.get<int64_t>(); }  ///< [sequences], to be written

  /// Enqueues the copy of the rows that were put since the last call. Not to be captured: most steps have none.
  void upload_rows(DeviceStream& stream);
  /// Enqueues all else: a copy, and rows of the compute type at the first `positions` places.
  void upload(int64_t positions, DeviceStream& stream) const;

  void* embeds() const { return embeds_.get(); }  ///< [positions, hidden] of the compute type
  void* past() const { return numbers_.get(); }   ///< int64 [sequences]

 private:
  int32_t* host_sources() const { return reinterpret_cast<int32_t*>(host_past() + sequences_); }
  size_t row_bytes(int64_t rows) const { return static_cast<size_t>(rows * hidden_) * sizeof(float); }

  const int64_t hidden_, positions_, sequences_;
  const DType compute_;
  const std::shared_ptr<const ResidentTable> table_;
  HostMemory host_, host_rows_;     ///< past and behind it sources; rows, one a position
  DeviceMemory numbers_, rows_;     ///< the same on the device
  DeviceMemory embeds_;
  int64_t first_row_, end_row_ = 0; ///< of the rows that were put
};

}  // namespace vila::plan::tensorrt
