// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/plan_file.h"

#include "common/error.h"
#include "common/single_line.h"

namespace vila::plan::tensorrt {
namespace {

// One line, "vila4j plan 1 tensorrt <version> <device> <bytes of the plan>", then the plan.
constexpr std::string_view kMagic = "vila4j plan 1 tensorrt ";
constexpr size_t kMostHead = 128;

}  // namespace

std::string pack_plan(const std::string& version, const std::string& device, std::string_view plan) {
  return join(kMagic, version, " ", device, " ", plan.size(), "\n", plan);
}

std::string_view unpack_plan(std::string_view bytes, const std::string& version, const std::string& device, const std::string& label) {
  const size_t end = bytes.substr(0, kMostHead).find('\n');
  if (!bytes.starts_with(kMagic) || end == std::string_view::npos) fail(ErrorCode::bad_file, label, ": no plan of TensorRT");
  const std::string_view plan = bytes.substr(end + 1);
  const std::string found(bytes.substr(kMagic.size(), end - kMagic.size()));
  const std::string expected = join(version, " ", device, " ", plan.size());
  if (found != expected) {
    fail(ErrorCode::bad_file, label, ": a plan of TensorRT \"", single_line(found.c_str()), "\" (version, device, bytes), expected \"",
         expected, "\"");
  }
  return plan;
}

}  // namespace vila::plan::tensorrt
