// SPDX-License-Identifier: Apache-2.0
#include "session/image_cache.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>

#include "support/npy.h"

namespace vila {
namespace {

Hash128 key(uint64_t number) {
  Hash128 result;
  result.low = number;
  return result;
}

std::vector<float> tokens(float value) { return std::vector<float>(10, value); }

TEST_CASE("threads that ask for an image at once encode it once") {
  for (const int64_t bound : {1000, 0}) {
    ImageCache cache(bound);
    std::atomic<int> made{0};
    std::promise<void> go_on;
    const std::shared_future<void> wait = go_on.get_future();
    std::vector<std::future<ImageTokens>> answers;
    for (int i = 0; i < 4; ++i) {
      answers.push_back(std::async(std::launch::async, [&] {
        return cache.get(key(1), nullptr, [&] {
          ++made;
          wait.wait();
          return tokens(7);
        });
      }));
    }
    CHECK(*cache.get(key(2), nullptr, [] { return tokens(8); }) == tokens(8));  // Another does not wait.
    go_on.set_value();
    for (auto& answer : answers) CHECK(*answer.get() == tokens(7));
    // Without a bound's room, only those that asked in time share it.
    CHECK(made >= 1);
    if (bound > 0) CHECK(made == 1);
    CHECK(cache.stats().hits + cache.stats().misses == 5);
    CHECK(cache.stats().misses == made + 1);
  }
}

TEST_CASE("where the one that makes them fails, another does") {
  ImageCache cache(1000);
  std::promise<void> begun, fail;
  std::future<ImageTokens> first = std::async(std::launch::async, [&] {
    return cache.get(key(1), nullptr, [&]() -> std::vector<float> {
      begun.set_value();
      fail.get_future().wait();
      throw std::runtime_error("no image");
    });
  });
  begun.get_future().wait();
  std::future<ImageTokens> second =
      std::async(std::launch::async, [&] { return cache.get(key(1), nullptr, [] { return tokens(3); }); });
  CHECK(second.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  fail.set_value();
  CHECK_THROWS_WITH_AS(first.get(), "no image", std::runtime_error);
  CHECK(*second.get() == tokens(3));
  CHECK(cache.stats().entries == 1);
}

TEST_CASE("who waits can be cancelled, and the other goes on") {
  ImageCache cache(1000);
  plan::StopSource stop;
  std::promise<void> begun, go_on;
  std::future<ImageTokens> first = std::async(std::launch::async, [&] {
    return cache.get(key(1), nullptr, [&] {
      begun.set_value();
      go_on.get_future().wait();
      return tokens(3);
    });
  });
  begun.get_future().wait();
  std::future<std::string> second = std::async(std::launch::async, [&] {
    return testing::error_of([&] { cache.get(key(1), &stop, [] { return tokens(4); }); });
  });
  CHECK(second.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  stop.raise();
  CHECK(second.get() == "8:image tokens: cancelled");
  go_on.set_value();
  CHECK(*first.get() == tokens(3));
  CHECK(cache.stats().hits == 0);
}

}  // namespace
}  // namespace vila
