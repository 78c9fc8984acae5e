// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/unicode.h"

#include <utf8proc.h>

#include "common/json.h"

namespace vila {

size_t character_length(std::string_view text, size_t at) {
  const auto first = static_cast<uint8_t>(text[at]);
  return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

char32_t code_point_at(std::string_view text, size_t at) {
  const size_t length = character_length(text, at);
  const auto first = static_cast<uint8_t>(text[at]);
  if (length == 1) return first;
  char32_t code_point = first & (0x7FU >> length);
  for (size_t i = 1; i < length && at + i < text.size(); ++i)
    code_point = (code_point << 6) | (static_cast<uint8_t>(text[at + i]) & 0x3FU);
  return code_point;
}

size_t character_before(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0U) == 0x80) --at;
  return at;
}

void append_utf8(std::string& text, char32_t code_point) {
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_python_space(char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

bool is_word(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: break;
  }
  // Other_Alphabetic symbols (circled and squared letters) and Join_Control.
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189) || c == 0x200C || c == 0x200D;
}

std::string strip_left(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && is_python_space(code_point_at(text, at))) at += character_length(text, at);
  return std::string(text.substr(at));
}

std::string strip_right(std::string_view text) {
  size_t end = text.size();
  while (end > 0 && is_python_space(code_point_at(text, character_before(text, end)))) end = character_before(text, end);
  return std::string(text.substr(0, end));
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  result.reserve(text.size());
  size_t at = 0;
  for (size_t found = text.find(from); found != std::string_view::npos; found = text.find(from, at)) {
    result.append(text.substr(at, found - at)).append(to);
    at = found + from.size();
  }
  return result.append(text.substr(at));
}

std::string in_quotes(std::string_view text) {
  std::string result = Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
  if (result.size() <= 60) return result;
  size_t end = 57;
  while (end > 0 && (static_cast<uint8_t>(result[end]) & 0xC0U) == 0x80) --end;
  return result.substr(0, end) + "...";
}

}  // namespace vila
