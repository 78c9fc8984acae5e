// SPDX-License-Identifier: Apache-2.0
// Counts live objects per type for live_objects(): hold a LiveCount as a member.
#pragma once

#include <cstdint>
#include <string>

namespace vila {

/// The types that are counted. A new one is added here and in kLiveTypeNames.
enum class LiveType : int { image, tokenizer, checkpoint, plan, model, session, kv_cache, count };

/// Counts one live object of type T from construction to destruction; copies count as objects of their own.
template <LiveType T>
class LiveCount {
 public:
  LiveCount() noexcept;
  LiveCount(const LiveCount&) noexcept;
  LiveCount& operator=(const LiveCount&) noexcept = default;
  ~LiveCount();
};

}  // namespace vila
