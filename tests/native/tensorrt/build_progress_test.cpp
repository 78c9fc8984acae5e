// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/build_progress.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "common/error.h"
#include "support/npy.h"

using namespace vila;                  // NOLINT
using namespace vila::plan::tensorrt;  // NOLINT
using vila::testing::error_of;

TEST_CASE("progress of phases that lie in each other is one share that never falls") {
  std::vector<double> shares;
  BuildProgress progress([&](double share) { return shares.push_back(share), true; }, nullptr);
  progress.phaseStart("build", nullptr, 2);
  progress.phaseStart("tactics", "build", 4);
  for (int32_t step = 0; step < 4; ++step) CHECK(progress.stepComplete("tactics", step));
  progress.phaseFinish("tactics");
  CHECK(progress.stepComplete("build", 0));
  progress.phaseStart("again", "build", 2);
  CHECK(progress.stepComplete("again", 0));
  progress.phaseFinish("again");
  CHECK(progress.stepComplete("build", 1));
  progress.phaseFinish("build");
  progress.phaseStart("end", nullptr, 100);
  CHECK(progress.stepComplete("end", 0));
  CHECK(progress.stepComplete("unknown", 0));
  CHECK(shares == std::vector<double>{0.125, 0.25, 0.375, 0.5, 0.5, 0.75, 1, 1, 1});
  CHECK_FALSE(progress.cancelled());
  progress.phaseStart("self", "self", 0);
  CHECK(progress.stepComplete("self", 5));
}

TEST_CASE("a build stops when the listener says so, when it throws, and when the stop is raised") {
  BuildProgress asked([](double) { return false; }, nullptr);
  CHECK_FALSE(asked.stepComplete("build", 0));
  CHECK_FALSE(asked.stepComplete("build", 1));
  CHECK(asked.cancelled());
  CHECK_NOTHROW(asked.rethrow());

  BuildProgress thrown([](double) -> bool { fail(ErrorCode::cancelled, "enough"); }, nullptr);
  CHECK_FALSE(thrown.stepComplete("build", 0));
  CHECK(thrown.cancelled());
  CHECK(error_of([&] { thrown.rethrow(); }) == "8:enough");

  plan::StopSource stop;
  BuildProgress stopped({}, &stop);
  CHECK(stopped.stepComplete("build", 0));
  stop.raise();
  CHECK_FALSE(stopped.stepComplete("build", 1));
  CHECK(stopped.cancelled());
}

TEST_CASE("the listener hears of a build only in the thread that builds") {
  int calls = 0;
  BuildProgress progress([&](double) { return ++calls, true; }, nullptr);
  progress.phaseStart("build", nullptr, 2);
  std::thread([&] { CHECK(progress.stepComplete("build", 0)); }).join();
  CHECK(calls == 0);
  CHECK(progress.stepComplete("build", 1));
  CHECK(calls == 1);
}
