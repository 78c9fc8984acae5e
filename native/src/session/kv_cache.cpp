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

size_t KvCache::row_bytes() const { return static_cast<size_t>(head_dim_) * size_of(dtype_); }

void KvCache::copy_heads(uint8_t* to, int64_t to_capacity, const uint8_t* from, int64_t from_capacity, int64_t rows) const {
  const size_t row = row_bytes();
  const auto bytes = [row](int64_t count) { return static_cast<size_t>(count) * row; };
  for (int64_t head = 0; head < kv_heads_ && rows > 0; ++head) {
    std::memcpy(to + bytes(head * to_capacity), from + bytes(head * from_capacity), bytes(rows));
  }
}

KvCache::Buffer KvCache::grow(const Buffer& old, int64_t capacity, int64_t used) const {
  // calloc leaves pages untouched until they are written: a large bucket costs only what the sequence uses.
  Buffer buffer(static_cast<uint8_t*>(std::calloc(static_cast<size_t>(kv_heads_ * capacity), row_bytes())));
  if (buffer == nullptr) fail(ErrorCode::capacity, "KV cache: no memory for ", capacity, " positions");
  copy_heads(buffer.get(), capacity, old.get(), capacity_, used);
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
  touched_ = used;
}

void KvCache::copy_rows(SequenceCache& from, int64_t rows) {
  auto* other = dynamic_cast<KvCache*>(&from);
  if (other == nullptr || other->dtype_ != dtype_ || other->keys_.size() != keys_.size()) {
    fail(ErrorCode::internal, "KV cache: a cache of another model");
  }
  if (rows < 0 || rows > capacity_ || rows > other->capacity_) {
    fail(ErrorCode::internal, "KV cache: ", rows, " rows from one of ", other->capacity_, " to one of ", capacity_);
  }
  for (size_t layer = 0; layer < keys_.size(); ++layer) {
    copy_heads(keys_[layer].get(), capacity_, other->keys_[layer].get(), other->capacity_, rows);
    copy_heads(values_[layer].get(), capacity_, other->values_[layer].get(), other->capacity_, rows);
  }
  touch(rows);
}

int64_t KvCache::bytes() const {
  return 2 * layers() * kv_heads_ * head_dim_ * static_cast<int64_t>(size_of(dtype_)) * touched_;
}

}  // namespace vila
