// SPDX-License-Identifier: Apache-2.0
#include "common/live_count.h"

#include <array>
#include <atomic>

#include "common/error.h"

namespace vila {
namespace {

constexpr size_t kTypes = static_cast<size_t>(LiveType::count);
constexpr std::array<const char*, kTypes> kLiveTypeNames = {"Image",  "Tokenizer", "Checkpoint", "Plan",
                                                            "Model", "Session",   "KvCache"};
std::array<std::atomic<int64_t>, kTypes> counts{};

}  // namespace

template <LiveType T>
LiveCount<T>::LiveCount() noexcept {
  ++counts[static_cast<size_t>(T)];
}
template <LiveType T>
LiveCount<T>::LiveCount(const LiveCount&) noexcept {
  ++counts[static_cast<size_t>(T)];
}
template <LiveType T>
LiveCount<T>::~LiveCount() {
  --counts[static_cast<size_t>(T)];
}

template class LiveCount<LiveType::image>;
template class LiveCount<LiveType::tokenizer>;
template class LiveCount<LiveType::checkpoint>;
template class LiveCount<LiveType::plan>;
template class LiveCount<LiveType::model>;
template class LiveCount<LiveType::session>;
template class LiveCount<LiveType::kv_cache>;

std::string live_objects() {
  std::string text;
  for (size_t i = 0; i < kTypes; ++i) text += join(kLiveTypeNames[i], ' ', counts[i].load(), '\n');
  return text;
}

int64_t live_object_count() {
  int64_t sum = 0;
  for (const auto& count : counts) sum += count.load();
  return sum;
}

}  // namespace vila
