// SPDX-License-Identifier: Apache-2.0
#include "common/utf8.h"

#include <algorithm>
#include <cstdint>

#include "common/error.h"

namespace vila {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";

struct Scan {
  size_t length;   ///< bytes of the character, or of the maximal ill-formed subpart
  bool valid;
  bool truncated;  ///< ill-formed only because the text ends here
};

// Table 3-7 of the Unicode standard: the second byte's range depends on the first.
Scan scan(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(at);
  if (first < 0x80) return {1, true, false};
  size_t length = 0;
  uint8_t low = 0x80, high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return {1, false, false};
  }
  for (size_t i = 1; i < length; ++i) {
    if (at + i >= text.size()) return {i, false, true};
    const uint8_t next = byte(at + i);
    if (next < low || next > high) return {i, false, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true, false};
}

}  // namespace

size_t invalid_utf8_offset(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Scan s = scan(text, at);
    if (!s.valid) return at;
    at += s.length;
  }
  return std::string_view::npos;
}

void require_utf8(std::string_view text, std::string_view what) {
  const size_t offset = invalid_utf8_offset(text);
  if (offset != std::string_view::npos) fail(ErrorCode::invalid_argument, what, ": invalid UTF-8 at byte ", offset);
}

std::string replace_invalid_utf8(std::string_view bytes) {
  Utf8Stream stream;
  std::string text = stream.push(bytes);
  return text + stream.finish();
}

std::string printable(std::string_view text) {
  constexpr size_t kLength = 100;
  std::string result = replace_invalid_utf8(text.substr(0, kLength));
  std::replace_if(result.begin(), result.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return text.size() > kLength ? result + "..." : result;
}

std::string Utf8Stream::push(std::string_view bytes) {
  pending_.append(bytes);
  std::string text;
  size_t at = 0;
  while (at < pending_.size()) {
    const Scan s = scan(pending_, at);
    if (s.truncated) break;
    if (s.valid) {
      text.append(pending_, at, s.length);
    } else {
      text += kReplacement;
    }
    at += s.length;
  }
  pending_.erase(0, at);
  return text;
}

std::string Utf8Stream::finish() {
  const bool rest = !pending_.empty();
  pending_.clear();
  return rest ? kReplacement : "";
}

}  // namespace vila
