// SPDX-License-Identifier: Apache-2.0
#include "session/contract.h"

TEST_CASE("ONNX Runtime, fp32") { vila::testing::run_contract({"onnxruntime", "fp32"}); }

// Activations rounded to bfloat16, where the processor has its products, cost less than all in bf16 may (tests/data/README.md).
TEST_CASE("ONNX Runtime, bf16") { vila::testing::run_contract({"onnxruntime", "bf16", 0.15, 0.5}); }

// Against the fp32 goldens 8 bits may cost what bf16 may (tests/data/README.md).
TEST_CASE("ONNX Runtime, int8") { vila::testing::run_contract({"onnxruntime", "int8", 0.5, 1.5}); }

// 4 bits cost random weights too much for goldens; what they do not change is that requests at once are answered as each alone.
TEST_CASE("ONNX Runtime, int4, requests at once") {
  const vila::testing::TempDir cache;
  vila::testing::Contract({"onnxruntime", "int4"}, cache.path()).together();
}
