// SPDX-License-Identifier: Apache-2.0
// Copies of cache rows between slots and between caches: what is to be copied is, and nothing else changes.
#include "cuda/cache_copy.h"

#include <algorithm>
#include <memory>
#include <random>

#include "cuda/device.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

/// A cache whose every element is its own number.
struct Cache {
  Cache(int32_t of_buffers, int32_t of_slots, int32_t of_heads, int64_t of_capacity, int32_t of_head_dim, uint16_t first)
      : slots(of_slots), heads(of_heads), capacity(of_capacity), head_dim(of_head_dim) {
    std::vector<void*> list;
    for (int32_t b = 0; b < of_buffers; ++b) {
      std::vector<uint16_t> numbers(static_cast<size_t>(slots * heads * capacity * head_dim));
      for (uint16_t& number : numbers) number = first++;
      memory.push_back(std::make_unique<DeviceArray<uint16_t>>(numbers));
      list.push_back(memory.back()->get());
      contents.push_back(std::move(numbers));
    }
    pointers = std::make_unique<DeviceArray<void*>>(list);
  }
  cuda::CacheView view() const { return {pointers->get(), slots, capacity}; }
  size_t at(int32_t slot, int32_t head, int64_t row) const {
    return static_cast<size_t>(((int64_t{slot} * heads + head) * capacity + row) * head_dim);
  }

  int32_t slots, heads;
  int64_t capacity;
  int32_t head_dim;
  std::vector<std::vector<uint16_t>> contents;
  std::vector<std::unique_ptr<DeviceArray<uint16_t>>> memory;
  std::unique_ptr<DeviceArray<void*>> pointers;
};

/// The copy on the host.
void copy_plainly(const Cache& from, int32_t from_slot, Cache& to, int32_t to_slot, int64_t rows) {
  for (size_t b = 0; b < from.contents.size(); ++b) {
    for (int32_t head = 0; head < from.heads; ++head) {
      std::copy_n(from.contents[b].begin() + static_cast<ptrdiff_t>(from.at(from_slot, head, 0)), rows * from.head_dim,
                  to.contents[b].begin() + static_cast<ptrdiff_t>(to.at(to_slot, head, 0)));
    }
  }
}

}  // namespace

TEST_CASE("rows go to another slot of a cache") {
  for (const int32_t head_dim : {64, 80, 128}) {
    for (const int64_t rows : {0, 1, 17, 63}) {
      CAPTURE(head_dim);
      CAPTURE(rows);
      Cache cache(6, 3, 2, 63, head_dim, 1);
      cuda::copy_cache_rows(cache.view(), 2, cache.view(), 0, rows, 6, 2, head_dim, nullptr);
      copy_plainly(cache, 2, cache, 0, rows);
      for (size_t b = 0; b < 6; ++b) REQUIRE(cache.memory[b]->read() == cache.contents[b]);
    }
  }
}

TEST_CASE("rows go to a larger cache, and back to a smaller one") {
  Cache small(4, 1, 3, 40, 80, 1), large(4, 2, 3, 96, 80, 30000);
  cuda::copy_cache_rows(small.view(), 0, large.view(), 1, 40, 4, 3, 80, nullptr);
  copy_plainly(small, 0, large, 1, 40);
  for (size_t b = 0; b < 4; ++b) REQUIRE(large.memory[b]->read() == large.contents[b]);
  cuda::copy_cache_rows(large.view(), 0, small.view(), 0, 13, 4, 3, 80, nullptr);
  copy_plainly(large, 0, small, 0, 13);
  for (size_t b = 0; b < 4; ++b) REQUIRE(small.memory[b]->read() == small.contents[b]);
}

TEST_CASE("bad arguments of copies, with the exact message") {
  const Cache cache(2, 2, 1, 8, 64, 1);
  const auto run = [&](int32_t from, int32_t to, int64_t rows, int32_t head_dim) {
    return error_of([&] { cuda::copy_cache_rows(cache.view(), from, cache.view(), to, rows, 2, 1, head_dim, nullptr); });
  };
  CHECK(run(0, 1, 8, 64) == "no error");
  CHECK(run(0, 2, 8, 64) == "1:copy_cache_rows: to_slot is 2, expected 0 to 1");
  CHECK(run(-1, 1, 8, 64) == "1:copy_cache_rows: from_slot is -1, expected 0 to 1");
  CHECK(run(1, 1, 8, 64) == "1:copy_cache_rows: to_slot is 1, expected another slot than from_slot in one cache");
  CHECK(run(0, 1, 9, 64) == "1:copy_cache_rows: rows is 9, expected 0 to the capacity 8 of from");
  CHECK(run(0, 1, 8, 60) == "1:copy_cache_rows: head_dim is 60, expected a multiple of 8");
}
