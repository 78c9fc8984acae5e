// SPDX-License-Identifier: Apache-2.0
// Code points of well-formed UTF-8 and the few of their properties that tokenizers ask for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vila {

/// U+2581, which SentencePiece vocabularies write in place of a space.
inline constexpr std::string_view kMetaspace = "\xE2\x96\x81";
/// U+FFFD, what ill-formed bytes become.
inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Bytes of the character that begins at `text[at]`; text must be well formed there.
size_t character_length(std::string_view text, size_t at);
/// The code point of the character that begins at `text[at]`.
char32_t code_point_at(std::string_view text, size_t at);
/// Where the character that ends before `end` (> 0) begins.
size_t character_before(std::string_view text, size_t end);
/// Appends a code point (a Unicode scalar value) as UTF-8.
void append_utf8(std::string& text, char32_t code_point);

/// The Unicode property White_Space.
bool is_white_space(char32_t c);
/// What Python's str.isspace() accepts: White_Space and U+001C to U+001F.
bool is_python_space(char32_t c);
/// `\w` of Unicode Technical Standard 18: Alphabetic, Mark, Decimal_Number, Connector_Punctuation, Join_Control.
bool is_word(char32_t c);

/// The text without the is_python_space() characters at its start; at its end. `text` is UTF-8.
std::string strip_left(std::string_view text);
std::string strip_right(std::string_view text);

/// Replaces every occurrence of `from` (not empty), left to right.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

/// A string for a message: in quotation marks, control characters escaped, cut after 60 bytes.
std::string in_quotes(std::string_view text);

}  // namespace vila
