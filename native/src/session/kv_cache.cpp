// SPDX-License-Identifier: Apache-2.0
#include "session/kv_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/error.h"

namespace vila {
namespace {

constexpr int64_t kSmallestBucket = 256;

}  // namespace

KvCache::KvCache(const LanguageSpec& spec, DType dtype, int64_t limit)
    : dtype_(dtype),
      kv_heads_(spec.kv_heads),
      head_dim_(spec.head_dim),
      limit_(limit),
      keys_(static_cast<size_t>(spec.layers)),
      values_(static_cast<size_t>(spec.layers)) {}

KvCache::Buffer KvCache::grow(const Buffer& old, int64_t capacity, int64_t used) const {
  const auto row = static_cast<size_t>(head_dim_) * size_of(dtype_);
  const auto rows = [](int64_t count) { return static_cast<size_t>(count); };
  // calloc leaves pages untouched until they are written: a large bucket costs only what the sequence uses.
  Buffer buffer(static_cast<uint8_t*>(std::calloc(rows(kv_heads_ * capacity), row)));
  if (buffer == nullptr) fail(ErrorCode::capacity, "KV cache: no memory for ", capacity, " positions");
  for (int64_t head = 0; head < kv_heads_ && used > 0; ++head) {
    std::memcpy(buffer.get() + rows(head * capacity) * row, old.get() + rows(head * capacity_) * row, rows(used) * row);
  }
  return buffer;
}

void KvCache::reserve(int64_t positions, int64_t used) {
  if (positions > limit_) fail(ErrorCode::capacity, "KV cache: ", positions, " positions asked for, at most ", limit_);
  if (positions <= capacity_) return;
  const auto bucket = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max(positions, kSmallestBucket))));
  const int64_t capacity = std::min(bucket, limit_);
  std::vector<Buffer> keys, values;
  for (size_t layer = 0; layer < keys_.size(); ++layer) {
    keys.push_back(grow(keys_[layer], capacity, used));
    values.push_back(grow(values_[layer], capacity, used));
  }
  keys_ = std::move(keys);
  values_ = std::move(values);
  capacity_ = capacity;
}

}  // namespace vila
