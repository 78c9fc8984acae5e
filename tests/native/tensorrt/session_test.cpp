// SPDX-License-Identifier: Apache-2.0
// The contract of every backend on a GPU.
#include <iostream>

#include "plan/device_backend.h"
#include "session/contract.h"

namespace {

/// Whether there is a GPU with everything that the backend needs; else a line says what is missing.
bool available() {
  static const bool found = [] {
    try {
      const std::string name = vila::plan::tensorrt_backend()->device_name();
      std::cout << "device: " << name << '\n';
      return true;
    } catch (const vila::Error& error) {
      std::cout << "SKIPPED: the TensorRT backend has not run: " << error.what() << '\n';
      return false;
    }
  }();
  return found;
}

void run(const vila::testing::Subject& subject) {
  if (available()) vila::testing::run_contract(subject);
}

}  // namespace

// Against the fp32 goldens 16 bits and 8 bits may cost what tests/data/README.md says of bf16.
TEST_CASE("TensorRT, fp32") { run({"tensorrt", "fp32", 2e-2, 5e-2, true}); }
TEST_CASE("TensorRT, fp16") { run({"tensorrt", "fp16", 0.1, 0.3, true}); }
TEST_CASE("TensorRT, bf16") { run({"tensorrt", "bf16", 0.5, 1.5, true}); }
TEST_CASE("TensorRT, fp8") { run({"tensorrt", "fp8", 0.5, 1.5, true}); }
TEST_CASE("TensorRT, int8") { run({"tensorrt", "int8", 0.5, 1.5, true}); }
