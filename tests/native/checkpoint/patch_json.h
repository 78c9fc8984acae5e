// SPDX-License-Identifier: Apache-2.0
// Changes a JSON file of a written checkpoint.
#pragma once

#include <filesystem>
#include <string>

namespace vila::testing {

/// Applies a JSON merge patch (RFC 7396: null removes a key) to the file.
void patch_json(const std::filesystem::path& path, const std::string& patch);
/// Sets a key, also to null.
void set_json(const std::filesystem::path& path, const std::string& key, const std::string& value);

}  // namespace vila::testing
