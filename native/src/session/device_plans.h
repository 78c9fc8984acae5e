// SPDX-License-Identifier: Apache-2.0
// Graphs to plans of a device (backend tensorrt) through the cache on disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "plan/device_backend.h"
#include "session/engine.h"

namespace vila {

/// Finds or makes the plans of a checkpoint: vision, projector and, for each capacity, prefill and decode. Their names say what they
/// belong to besides the checkpoint: precision, capacity, version of the backend, device. A plan that is made is compared with the
/// CPU's in float32 before it is published (device_parity.h). `checkpoint` and `backend` must outlive the result. Throws unsupported
/// for a synthetic checkpoint. `lines` as make_plans() has them.
Plans make_device_plans(const Checkpoint& checkpoint, plan::DeviceBackend& backend, const LoadOptions& options,
                        ProgressListener* progress, std::vector<std::string>* lines);

/// The capacities of caches of at most `limit` positions: powers of two from 512 up, and the limit.
std::vector<int64_t> cache_capacities(int64_t limit);

/// Most sequences of each range of a decode plan (DecoderSizes::batches) for at most `requests` at once: powers of four.
std::vector<int64_t> decode_batches(int64_t requests);

}  // namespace vila
