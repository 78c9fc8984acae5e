// SPDX-License-Identifier: Apache-2.0
// The file of what TensorRT measured while it built plans: later builds of the same layers need not measure again.
#pragma once

#include <string>

namespace vila::plan::tensorrt {

/// TensorRT's bytes behind a line of our own with their checksum. Empty where there is no file, or, with a warning, where it is
/// damaged or cannot be read: a build then begins with an empty one.
std::string read_timing_cache(const std::string& path);

/// Replaces the file whole (by rename), so that a reader never meets half of one; the last of several builders wins. What goes wrong
/// is a warning: a plan is worth having without it.
void write_timing_cache(const std::string& path, const void* data, size_t size);

}  // namespace vila::plan::tensorrt
