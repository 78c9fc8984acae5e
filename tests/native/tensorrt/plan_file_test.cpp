// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/plan_file.h"

#include <doctest/doctest.h>

#include "support/npy.h"

using namespace vila::plan::tensorrt;  // NOLINT
using vila::testing::error_of;

TEST_CASE("a plan's bytes come back; another version, device or length is refused with what was found") {
  const std::string plan("plan\0\nbytes", 11);
  const std::string packed = pack_plan("11.2.1", "sm90", plan);
  CHECK(unpack_plan(packed, "11.2.1", "sm90", "decode") == plan);
  CHECK(unpack_plan(pack_plan("11.2.1", "sm90", ""), "11.2.1", "sm90", "decode").empty());
  const auto error = [](const std::string& bytes, const char* version, const char* device) {
    return error_of([&] { unpack_plan(bytes, version, device, "decode"); });
  };
  CHECK(error(packed, "11.3.0", "sm90") ==
        "4:decode: a plan of TensorRT \"11.2.1 sm90 11\" (version, device, bytes), expected \"11.3.0 sm90 11\"");
  CHECK(error(packed, "11.2.1", "sm120") ==
        "4:decode: a plan of TensorRT \"11.2.1 sm90 11\" (version, device, bytes), expected \"11.2.1 sm120 11\"");
  CHECK(error(packed.substr(0, packed.size() - 1), "11.2.1", "sm90") ==
        "4:decode: a plan of TensorRT \"11.2.1 sm90 11\" (version, device, bytes), expected \"11.2.1 sm90 10\"");
  for (const std::string& bytes : {std::string(), plan, packed.substr(0, 30), "x" + packed}) {
    CHECK(error(bytes, "11.2.1", "sm90") == "4:decode: no plan of TensorRT");
  }
}
