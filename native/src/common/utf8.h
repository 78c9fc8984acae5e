// SPDX-License-Identifier: Apache-2.0
// UTF-8 checks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vila {

/// Offset of the first byte that is no well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms), or npos.
size_t invalid_utf8_offset(std::string_view text);
/// Throws invalid_argument "<what>: invalid UTF-8 at byte N" unless well formed.
void require_utf8(std::string_view text, std::string_view what);
/// The text with every maximal ill-formed subpart replaced by U+FFFD (Unicode 15, section 3.9; what Python's errors="replace"
/// gives).
std::string replace_invalid_utf8(std::string_view bytes);

/// Text of a file, as a message may quote it: well formed, control characters as "?", "..." behind the first 100 bytes.
std::string printable(std::string_view text);

/// Turns a stream of bytes into pieces of whole characters; ill-formed bytes become U+FFFD, exactly as replace_invalid_utf8 of
/// the whole.
class Utf8Stream {
 public:
  /// Adds bytes, returns the text that is now certain.
  std::string push(std::string_view bytes);
  /// The rest: an incomplete character becomes U+FFFD.
  std::string finish();

 private:
  std::string pending_;
};

}  // namespace vila
