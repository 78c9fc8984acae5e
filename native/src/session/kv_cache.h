// SPDX-License-Identifier: Apache-2.0
// The keys and values of one sequence in the host's memory, written in place by the language plan.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "checkpoint/model_spec.h"
#include "common/live_count.h"
#include "plan/decoder.h"

namespace vila {

/// Per layer one key and one value buffer, [1, kv_heads, capacity, head_dim] of float32 or fp16. Rows at and beyond the sequence's length hold
/// anything. Owned by one session; not thread-safe.
class KvCache final : public plan::SequenceCache {
 public:
  /// Empty; at most `limit` positions.
  KvCache(const LanguageSpec& spec, DType dtype, int64_t limit);

  /// Makes room for `positions`: the capacity becomes the next bucket (a power of two from 256 up, at most the limit), and the
  /// first `used` rows of every head are kept. Throws capacity beyond the limit or when memory is lacking; then nothing changed.
  void reserve(int64_t positions, int64_t used) override;

  int64_t capacity() const override { return capacity_; }
  void copy_rows(SequenceCache& from, int64_t rows) override;
  /// Of the rows that were ever written since it last grew: memory behind them has not been touched.
  int64_t bytes() const override;
  /// Says that rows up to `positions` have been, or may soon be, written.
  void touch(int64_t positions) { touched_ = std::max(touched_, positions); }
  int64_t limit() const { return limit_; }
  int64_t layers() const { return static_cast<int64_t>(keys_.size()); }
  DType dtype() const { return dtype_; }
  void* key(int64_t layer) { return keys_[static_cast<size_t>(layer)].get(); }
  void* value(int64_t layer) { return values_[static_cast<size_t>(layer)].get(); }
  /// Shape of each buffer.
  std::vector<int64_t> shape() const { return {1, kv_heads_, capacity_, head_dim_}; }

 private:
  struct Free {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };
  using Buffer = std::unique_ptr<uint8_t[], Free>;
  size_t row_bytes() const;
  /// Copies the first rows of every head from one buffer to another.
  void copy_heads(uint8_t* to, int64_t to_capacity, const uint8_t* from, int64_t from_capacity, int64_t rows) const;
  Buffer grow(const Buffer& old, int64_t capacity, int64_t used) const;

  DType dtype_;
  int64_t kv_heads_, head_dim_, limit_, capacity_ = 0, touched_ = 0;
  std::vector<Buffer> keys_, values_;
  LiveCount<LiveType::kv_cache> live_;
};

}  // namespace vila
