// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/byte_level.h"

#include <array>

#include "tokenizer/unicode.h"

namespace vila {
namespace {

constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

constexpr char32_t kLastLetter = 0x143;  // 256 + the 68 bytes that do not stand for themselves - 1

struct Alphabet {
  std::array<std::string, 256> letters;
  std::array<int, kLastLetter + 1> bytes{};
  Alphabet() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const char32_t letter = stands_for_itself(byte) ? byte : next++;
      append_utf8(letters[byte], letter);
      bytes[letter] = static_cast<int>(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

std::string bytes_to_letters(std::string_view bytes) {
  std::string letters;
  letters.reserve(bytes.size() * 2);
  for (const char byte : bytes) letters += alphabet().letters[static_cast<uint8_t>(byte)];
  return letters;
}

std::optional<std::string> letters_to_bytes(std::string_view letters) {
  std::string bytes;
  for (size_t at = 0; at < letters.size(); at += character_length(letters, at)) {
    const char32_t letter = code_point_at(letters, at);
    const int byte = letter <= kLastLetter ? alphabet().bytes[letter] : -1;
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

}  // namespace vila
