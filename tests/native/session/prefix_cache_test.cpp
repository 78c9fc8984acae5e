// SPDX-License-Identifier: Apache-2.0
#include "session/prefix_cache.h"

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>

namespace vila {
namespace {

/// Rows are the ids that stand there.
class FakeCache final : public plan::SequenceCache {
 public:
  explicit FakeCache(int64_t bytes_per_row) : bytes_per_row_(bytes_per_row) {}
  void reserve(int64_t, int64_t) override {}
  int64_t capacity() const override { return 1 << 20; }
  void copy_rows(SequenceCache& from, int64_t count) override {
    if (fails) throw std::runtime_error("no copy");
    const auto& other = dynamic_cast<FakeCache&>(from);
    rows.assign(other.rows.begin(), other.rows.begin() + count);
  }
  int64_t bytes() const override { return bytes_per_row_ * static_cast<int64_t>(rows.size()); }

  std::vector<int32_t> rows;
  bool fails = false;

 private:
  const int64_t bytes_per_row_;
};

std::vector<Element> elements(const std::vector<int32_t>& ids) {
  std::vector<Element> result;
  for (const int32_t id : ids) result.push_back({id, {}});
  return result;
}

/// `count` ids from `first` on.
std::vector<int32_t> ids(int32_t first, int32_t count) {
  std::vector<int32_t> result;
  for (int32_t i = 0; i < count; ++i) result.push_back(first + i);
  return result;
}

std::vector<int32_t> operator+(std::vector<int32_t> a, const std::vector<int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A session that has computed these.
std::shared_ptr<CachedSequence> session(PrefixCache& cache, const std::vector<int32_t>& of, int64_t bytes_per_row = 1) {
  auto made = std::make_unique<FakeCache>(bytes_per_row);
  made->rows = of;
  auto result = std::make_shared<CachedSequence>(std::move(made));
  result->elements = elements(of);
  cache.begin(result);
  return result;
}

FakeCache& fake(CachedSequence& sequence) { return dynamic_cast<FakeCache&>(*sequence.cache); }

/// How many of `wanted` a new session finds.
size_t found(PrefixCache& cache, const std::vector<int32_t>& wanted) {
  const auto mine = session(cache, {});
  const size_t count = cache.extend(elements(wanted), 0, *mine);
  CHECK(fake(*mine).rows == std::vector<int32_t>(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(count)));
  CHECK(mine->elements == elements(fake(*mine).rows));
  return count;
}

TEST_CASE("a prefix is copied from an ended session and from an open one") {
  PrefixCache cache(1000);
  const std::vector<int32_t> shared = ids(0, 100);
  CHECK(found(cache, shared) == 0);
  cache.end(session(cache, shared + ids(500, 5)));
  CHECK(found(cache, shared + ids(600, 5)) == 100);
  CHECK(found(cache, shared) == 99);  // never all of it: the last position's logits are wanted
  CHECK(found(cache, ids(1, 100)) == 0);
  const auto open = session(cache, shared + ids(600, 50));
  CHECK(found(cache, shared + ids(600, 60)) == 150);
  {
    const std::unique_lock running(open->mutex);  // A call runs in it.
    size_t count = 0;
    std::thread([&] { count = found(cache, shared + ids(600, 60)); }).join();
    CHECK(count == 100);
  }
  CHECK(cache.stats().entries == 1);
  CHECK(cache.stats().bytes == 105);
  CHECK(cache.stats().hits == 4);
  CHECK(cache.stats().positions == 100 + 99 + 150 + 100);
}

TEST_CASE("what a session has itself is kept unless another has so many more") {
  PrefixCache cache(1000);
  cache.end(session(cache, ids(0, 100)));
  const auto fewest = static_cast<int32_t>(PrefixCache::kFewest);
  for (const int32_t held : {0, 100 - fewest, 101 - fewest, 100}) {
    const auto mine = session(cache, ids(0, held));
    const auto expected = static_cast<size_t>(held + fewest <= 100 ? 100 : held);
    CHECK(cache.extend(elements(ids(0, 200)), static_cast<size_t>(held), *mine) == expected);
    CHECK(mine->elements.size() == expected);
  }
  CHECK(found(cache, ids(0, fewest)) == 0);
  CHECK(found(cache, ids(0, fewest + 1)) == PrefixCache::kFewest);
}

TEST_CASE("a copy that fails leaves an empty sequence") {
  PrefixCache cache(1000);
  cache.end(session(cache, ids(0, 100)));
  const auto mine = session(cache, ids(0, 10));
  fake(*mine).fails = true;
  CHECK_THROWS_AS(cache.extend(elements(ids(0, 90)), 10, *mine), std::runtime_error);
  CHECK(mine->elements.empty());
}

TEST_CASE("bounds, and who goes first") {
  PrefixCache cache(300);
  for (int32_t i = 0; i < 3; ++i) cache.end(session(cache, ids(1000 * i, 100)));
  CHECK(found(cache, ids(0, 90)) == 89);  // used
  cache.end(session(cache, ids(5000, 100)));
  CHECK(cache.stats().bytes == 300);
  CHECK(found(cache, ids(1000, 90)) == 0);
  CHECK(found(cache, ids(0, 90)) == 89);
  CHECK(found(cache, ids(2000, 90)) == 89);
  cache.end(session(cache, ids(7000, 301)));  // never fits
  CHECK(found(cache, ids(7000, 90)) == 0);
  CHECK(cache.stats().entries == 3);
  cache.end(session(cache, ids(8000, 31)));  // not worth it
  CHECK(cache.stats().entries == 3);
  CHECK(cache.clear());
  CHECK_FALSE(cache.clear());
  CHECK(cache.stats().bytes == 0);
  CHECK(found(cache, ids(0, 90)) == 0);

  PrefixCache light(1 << 20);
  for (int32_t i = 0; i < 300; ++i) light.end(session(light, ids(1000 * i, 40)));
  CHECK(light.stats().entries == PrefixCache::kMost);

  PrefixCache off(0);
  off.end(session(off, ids(0, 100)));
  const auto open = session(off, ids(0, 100));
  CHECK(found(off, ids(0, 90)) == 0);
}

TEST_CASE("of sequences that have most in common one is kept") {
  PrefixCache cache(10000);
  const std::vector<int32_t> shared = ids(0, 100);
  cache.end(session(cache, shared + ids(200, 50)));
  cache.end(session(cache, shared + ids(300, 60)));  // the first has 50 more, fewer than 100
  CHECK(cache.stats().entries == 1);
  CHECK(found(cache, shared + ids(300, 60) + ids(9, 1)) == 160);
  cache.end(session(cache, shared));  // All of it is there.
  CHECK(cache.stats().entries == 1);
  CHECK(cache.stats().bytes == 160);
  cache.end(session(cache, shared + ids(300, 90)));  // goes on
  CHECK(cache.stats().bytes == 190);
  cache.end(session(cache, ids(0, 40) + ids(400, 100)));  // has little in common
  CHECK(cache.stats().entries == 2);
}

TEST_CASE("threads that extend, end and clear at once find nothing but what they ask for") {
  PrefixCache cache(2000);
  std::vector<std::thread> workers;
  std::atomic<int> wrong{0};
  for (unsigned worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&, worker] {
      std::mt19937 random(worker);
      for (int i = 0; i < 300; ++i) {
        const auto family = static_cast<int32_t>(random() % 5) * 1000;
        const std::vector<int32_t> wanted = ids(family, 40 + static_cast<int32_t>(random() % 60)) + ids(static_cast<int32_t>(i), 5);
        const auto mine = session(cache, {});
        {
          const std::unique_lock running(mine->mutex);
          const size_t count = cache.extend(elements(wanted), 0, *mine);
          const auto& rows = fake(*mine).rows;
          if (count >= wanted.size() || rows != std::vector<int32_t>(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(count))) {
            ++wrong;
          }
          fake(*mine).rows = wanted;
          mine->elements = elements(wanted);
        }
        cache.end(mine);
        if (random() % 50 == 0) cache.clear();
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  CHECK(wrong == 0);
  CHECK(cache.stats().bytes <= 2000);
}

}  // namespace
}  // namespace vila
