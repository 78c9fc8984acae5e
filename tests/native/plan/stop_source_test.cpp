// SPDX-License-Identifier: Apache-2.0
#include "plan/stop_source.h"

#include <doctest/doctest.h>

#include <memory>
#include <thread>
#include <vector>

using vila::plan::StopSource;

TEST_CASE("raising calls the hooks there are; cleared, the source serves again") {
  StopSource source;
  int first = 0, second = 0, late = 0;
  {
    const StopSource::Hook a(&source, [&] { ++first; });
    {
      const StopSource::Hook b(&source, [&] { ++second; });
      CHECK_FALSE(source.raised());
      source.raise();
      CHECK(source.raised());
      CHECK(first == 1);
      CHECK(second == 1);
    }
    source.raise();
    CHECK(first == 2);
    CHECK(second == 1);
    const StopSource::Hook c(&source, [&] { ++late; });
    CHECK(late == 1);
  }
  source.clear();
  CHECK_FALSE(source.raised());
  source.raise();
  CHECK(first == 2);
  const StopSource::Hook none(nullptr, [&] { ++first; });
  CHECK(first == 2);
}

TEST_CASE("hooks may come and go in any order") {
  StopSource source;
  std::vector<std::unique_ptr<StopSource::Hook>> hooks;
  std::vector<int> calls(5, 0);
  for (int& count : calls) hooks.push_back(std::make_unique<StopSource::Hook>(&source, [&count] { ++count; }));
  hooks[2].reset();
  hooks[0].reset();
  hooks[4].reset();
  source.raise();
  CHECK(calls == std::vector<int>{0, 1, 0, 1, 0});
}

TEST_CASE("a raise that races with the start of work is never missed") {
  for (int i = 0; i < 2000; ++i) {
    StopSource source;
    bool called = false;
    std::thread raiser([&] { source.raise(); });
    {
      const StopSource::Hook hook(&source, [&] { called = true; });
      raiser.join();
    }
    REQUIRE(called);
  }
}

TEST_CASE("after a hook is gone its action does not run: it may refer to what is gone too") {
  StopSource source;
  std::thread raiser([&] {
    for (int i = 0; i < 20000; ++i) source.raise();
  });
  for (int i = 0; i < 2000; ++i) {
    auto alive = std::make_unique<int>(0);
    const StopSource::Hook hook(&source, [&alive] { ++*alive; });
  }
  raiser.join();
  CHECK(source.raised());
}
