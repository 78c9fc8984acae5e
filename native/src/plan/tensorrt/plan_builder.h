// SPDX-License-Identifier: Apache-2.0
// A network to a plan.
#pragma once

#include <string>

#include "plan/device_backend.h"
#include "plan/tensorrt/network.h"

namespace vila::plan::tensorrt {

/// TensorRT's bytes of a plan with one optimisation profile for each of the ranges of `request`. Throws cancelled, what the
/// request's listener throws, invalid_argument for shapes that do not fit the network, backend with TensorRT's own words.
std::string build_plan(Network& network, const BuildRequest& request);

}  // namespace vila::plan::tensorrt
