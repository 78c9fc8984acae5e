// SPDX-License-Identifier: Apache-2.0
// The byte-level alphabet of GPT-2: every byte as a printable character.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vila {

/// Each byte as its character: printable bytes stand for themselves, the rest for U+0100 and up ("Ġ" is a space).
std::string bytes_to_letters(std::string_view bytes);
/// The bytes of such characters; nothing where one of the text's characters stands for no byte.
std::optional<std::string> letters_to_bytes(std::string_view letters);

}  // namespace vila
