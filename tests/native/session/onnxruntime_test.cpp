// SPDX-License-Identifier: Apache-2.0
#include "session/contract.h"

TEST_CASE("ONNX Runtime, fp32") { vila::testing::run_contract({"onnxruntime", "fp32"}); }
