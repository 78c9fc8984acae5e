// SPDX-License-Identifier: Apache-2.0
// What a plan's bytes say of themselves before TensorRT sees them: a plan belongs to one version of TensorRT and one kind of device,
// and TensorRT's own reader is not made for bytes of another origin.
#pragma once

#include <string>
#include <string_view>

namespace vila::plan::tensorrt {

/// A plan of TensorRT `version` ("11.2.1") for `device` ("sm90").
std::string pack_plan(const std::string& version, const std::string& device, std::string_view plan);

/// The plan within, valid as long as `bytes`. Throws bad_file naming `label` for other bytes, and for another version or device, what
/// was found and what was expected.
std::string_view unpack_plan(std::string_view bytes, const std::string& version, const std::string& device, const std::string& label);

}  // namespace vila::plan::tensorrt
