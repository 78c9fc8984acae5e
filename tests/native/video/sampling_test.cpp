// SPDX-License-Identifier: Apache-2.0
// The frames that models look at, against what numpy 2.4 gives for the expressions of VILA's own code.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/npy.h"
#include "vila/vila.h"

namespace vila::testing {
namespace {

using Indices = std::vector<int32_t>;

struct Golden {
  int64_t frame_count;
  int32_t frames;
  Indices indices;
};

VideoSampling sampling(FrameRule rule, int32_t frames, double fps = 0) {
  VideoSampling s;
  s.rule = rule, s.frames = frames, s.fps = fps;
  return s;
}

/// A number that any other list would change.
uint64_t digest(uint64_t sum, const Indices& indices) {
  for (const int32_t index : indices) sum = sum * 1000003 + static_cast<uint64_t>(index + 1);
  return sum;
}

}  // namespace

TEST_CASE("truncated: numpy.linspace(0, F - 2, n, dtype=int); black frames in front of short videos") {
  const Golden goldens[] = {
      {2, 1, {0}},
      {1, 1, {0}},
      {100, 1, {0}},
      {2, 6, {-1, -1, -1, -1, 0, 1}},
      {3, 2, {0, 1}},
      {5, 8, {-1, -1, -1, 0, 1, 2, 3, 4}},
      {7, 8, {-1, 0, 1, 2, 3, 4, 5, 6}},
      {8, 8, {0, 1, 2, 3, 4, 5, 6, 7}},
      {9, 8, {0, 1, 2, 3, 4, 5, 6, 7}},
      {10, 8, {0, 1, 2, 3, 4, 5, 6, 8}},
      {16, 8, {0, 2, 4, 6, 8, 10, 12, 14}},
      {17, 8, {0, 2, 4, 6, 8, 10, 12, 15}},
      {100, 8, {0, 14, 28, 42, 56, 70, 84, 98}},
      {101, 8, {0, 14, 28, 42, 56, 70, 84, 99}},
      {250, 6, {0, 49, 99, 148, 198, 248}},
      {300, 8, {0, 42, 85, 127, 170, 212, 255, 298}},
      {899, 12, {0, 81, 163, 244, 326, 407, 489, 570, 652, 733, 815, 897}},
      {1801, 8, {0, 257, 514, 771, 1028, 1285, 1542, 1799}},
      {108000, 16, {0, 7199, 14399, 21599, 28799, 35999, 43199, 50399, 57598, 64798, 71998, 79198, 86398, 93598, 100798,
        107998}},
      {2147483647, 5, {0, 536870911, 1073741822, 1610612733, 2147483645}},
  };
  for (const Golden& golden : goldens) {
    CAPTURE(golden.frame_count);
    CAPTURE(golden.frames);
    CHECK(sampling(FrameRule::truncated, golden.frames).frame_indices(golden.frame_count, 25) == golden.indices);
    CHECK(sampling(FrameRule::truncated, golden.frames, 2).frame_indices(golden.frame_count, 0) == golden.indices);
  }
}

TEST_CASE("rounded: numpy.round(numpy.linspace(0, F - 1, n))") {
  const Golden goldens[] = {
      {1, 1, {0}},
      {1, 8, {0, 0, 0, 0, 0, 0, 0, 0}},
      {2, 8, {0, 0, 0, 0, 1, 1, 1, 1}},
      {3, 8, {0, 0, 1, 1, 1, 1, 2, 2}},
      {2, 2, {0, 1}},
      {4, 3, {0, 2, 3}},
      {5, 3, {0, 2, 4}},
      {6, 3, {0, 2, 5}},
      {8, 8, {0, 1, 2, 3, 4, 5, 6, 7}},
      {9, 8, {0, 1, 2, 3, 5, 6, 7, 8}},
      {10, 4, {0, 3, 6, 9}},
      {16, 8, {0, 2, 4, 6, 9, 11, 13, 15}},
      {100, 1, {0}},
      {100, 8, {0, 14, 28, 42, 57, 71, 85, 99}},
      {250, 6, {0, 50, 100, 149, 199, 249}},
      {300, 8, {0, 43, 85, 128, 171, 214, 256, 299}},
      {899, 12, {0, 82, 163, 245, 327, 408, 490, 571, 653, 735, 816, 898}},
      {108000, 16, {0, 7200, 14400, 21600, 28800, 36000, 43200, 50400, 57599, 64799, 71999, 79199, 86399, 93599, 100799,
        107999}},
      {2147483647, 5, {0, 536870912, 1073741823, 1610612734, 2147483646}},
  };
  for (const Golden& golden : goldens) {
    CAPTURE(golden.frame_count);
    CAPTURE(golden.frames);
    CHECK(sampling(FrameRule::rounded, golden.frames).frame_indices(golden.frame_count, 25) == golden.indices);
    CHECK(sampling(FrameRule::rounded, golden.frames, 2).frame_indices(golden.frame_count, 0) == golden.indices);
  }
}

TEST_CASE("rounded, frames per second: numpy.arange(0, F / video_fps, 1 / fps)[:n] * video_fps") {
  struct PerSecond {
    int64_t frame_count;
    double video_fps;
    int32_t frames;
    double fps;
    Indices indices;
  };
  const PerSecond goldens[] = {
      {300, 30.0, 8, 1.0, {0, 30, 60, 90, 120, 150, 180, 210}},
      {300, 30.0, 64, 2.0, {0, 15, 30, 45, 60, 75, 90, 105, 120, 135, 150, 165, 180, 195, 210, 225, 240, 255, 270, 285}},
      {90, 29.97, 8, 1.0, {0, 29, 59, 89}},
      {91, 29.97002997002997, 8, 1.0, {0, 29, 59, 89}},
      {250, 25.0, 8, 0.5, {0, 50, 100, 150, 200}},
      {48, 24.0, 16, 7.0, {0, 3, 6, 10, 13, 17, 20, 24, 27, 30, 34, 37, 41, 44}},
      {10, 10.0, 64, 30.0, {0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9}},
      {7, 3.0, 8, 3.0, {0, 1, 2, 3, 4, 5, 6, 6}},
      {1, 30.0, 8, 1.0, {0}},
      {60, 23.976, 20, 3.3, {0, 7, 14, 21, 29, 36, 43, 50, 58}},
      {1000, 59.94, 8, 0.1, {0, 599}},
      {30, 30.0, 8, 0.0001, {0}},
  };
  for (const PerSecond& golden : goldens) {
    CAPTURE(golden.frame_count);
    CAPTURE(golden.video_fps);
    CHECK(sampling(FrameRule::rounded, golden.frames, golden.fps).frame_indices(golden.frame_count, golden.video_fps) ==
          golden.indices);
  }
}

TEST_CASE("all short videos and frame counts") {
  uint64_t truncated = 0, rounded = 0, per_second = 0;
  for (int64_t frame_count = 2; frame_count < 400; ++frame_count) {
    for (int32_t frames = 1; frames < 70; ++frames) {
      truncated = digest(truncated, sampling(FrameRule::truncated, frames).frame_indices(frame_count, 0));
      rounded = digest(rounded, sampling(FrameRule::rounded, frames).frame_indices(frame_count, 0));
    }
  }
  CHECK(truncated == 10965926566808695064ULL);
  CHECK(rounded == 10519182696185775689ULL);
  for (int64_t frame_count = 1; frame_count < 200; ++frame_count) {
    for (const double video_fps : {10.0, 23.976, 24.0, 25.0, 29.97, 30.0, 59.94}) {
      for (const double fps : {0.3, 0.5, 1.0, 2.0, 3.0, 7.0, 30.0}) {
        per_second = digest(per_second, sampling(FrameRule::rounded, 32, fps).frame_indices(frame_count, video_fps));
      }
    }
  }
  CHECK(per_second == 7630645544663641024ULL);
}

TEST_CASE("indices ascend within the video, and there are as many as asked for") {
  for (const FrameRule rule : {FrameRule::truncated, FrameRule::rounded}) {
    for (int64_t frame_count = 2; frame_count < 3000; frame_count = frame_count * 5 / 4 + 1) {
      for (const int32_t frames : {1, 2, 3, 7, 8, 64, 256, 4096}) {
        CAPTURE(frame_count);
        CAPTURE(frames);
        const Indices indices = sampling(rule, frames).frame_indices(frame_count, 0);
        CHECK(indices.size() == static_cast<size_t>(frames));
        CHECK(std::is_sorted(indices.begin(), indices.end()));
        CHECK(indices.back() < frame_count);
        const auto black = std::count(indices.begin(), indices.end(), -1);
        CHECK(black == (rule == FrameRule::truncated ? std::max<int64_t>(0, frames - frame_count) : 0));
        CHECK(*std::find_if(indices.begin(), indices.end(), [](int32_t i) { return i >= 0; }) == 0);
      }
      for (const double fps : {0.001, 0.9, 24.0, 1000.0}) {
        const Indices indices = sampling(FrameRule::rounded, 16, fps).frame_indices(frame_count, 24);
        const double seconds = static_cast<double>(frame_count) / 24;  // A last frame at the very end may come or not.
        CHECK(std::abs(static_cast<double>(indices.size()) - std::min(16.0, std::ceil(seconds * fps))) <= 1);
        CHECK(std::is_sorted(indices.begin(), indices.end()));
        CHECK(indices.front() == 0);
        CHECK(indices.back() < frame_count);
      }
    }
  }
}

TEST_CASE("what cannot be sampled is refused by name") {
  const auto refused = [](const VideoSampling& s, int64_t frame_count, double video_fps) {
    return error_of([&] { s.frame_indices(frame_count, video_fps); });
  };
  const VideoSampling old = sampling(FrameRule::truncated, 8), nvila = sampling(FrameRule::rounded, 8);
  CHECK(refused(old, 0, 25) == "1:video: 0 frames, expected 1 to 2147483647");
  CHECK(refused(nvila, -3, 25) == "1:video: -3 frames, expected 1 to 2147483647");
  CHECK(refused(nvila, 1LL << 31, 25) == "1:video: 2147483648 frames, expected 1 to 2147483647");
  CHECK(refused(old, 1, 25) == "1:video: 1 frame to be shown as 8, expected 2 frames or more (one is an image)");
  CHECK(refused(nvila, 9, -1) == "1:video: -1 frames a second, expected 0 (unknown) or more");
  CHECK(refused(nvila, 9, std::nan("")) == "1:video: nan frames a second, expected 0 (unknown) or more");
  CHECK(refused(nvila, 9, std::numeric_limits<double>::infinity()) == "1:video: inf frames a second, expected 0 (unknown) or more");
  CHECK(refused(sampling(FrameRule::rounded, 0), 9, 25) == "1:video: 0 frames to show, expected 1 to 4096");
  CHECK(refused(sampling(FrameRule::truncated, 4097), 9, 25) == "1:video: 4097 frames to show, expected 1 to 4096");
  CHECK(refused(sampling(FrameRule::rounded, 8, -0.5), 9, 25) == "1:video: -0.5 frames a second to show, expected 0 to 1000");
  CHECK(refused(sampling(FrameRule::rounded, 8, 1001), 9, 25) == "1:video: 1001 frames a second to show, expected 0 to 1000");
  CHECK(refused(sampling(static_cast<FrameRule>(2), 8), 9, 25) == "1:video: rule is 2, expected 0 (truncated) or 1 (rounded)");
}

}  // namespace vila::testing
