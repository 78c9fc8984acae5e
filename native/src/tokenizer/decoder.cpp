// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/decoder.h"

#include <charconv>

#include "common/utf8.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"

namespace vila {
namespace {

// The byte of "<0xE2>", or -1.
int byte_of(std::string_view token) {
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token.back() != '>') return -1;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, value, 16);
  return error == std::errc() && end == token.data() + 5 ? static_cast<int>(value) : -1;
}

}  // namespace

/// One step with what it holds back.
struct DecoderRun::Step {
  Step(const DecoderStep& d, bool one_text) : definition(d), stripped_once(one_text) {}

  /// Appends the tokens that `token` turns into.
  void push(std::string token, std::vector<std::string>& out) {
    using Kind = DecoderStep::Kind;
    switch (definition.kind) {
      case Kind::byte_level: out.push_back(characters.push(letters_to_bytes(token).value_or(token))); break;
      case Kind::replace: out.push_back(replace_all(token, definition.from, definition.to)); break;
      case Kind::byte_fallback: {
        const int byte = byte_of(token);
        if (byte >= 0) {
          bytes += static_cast<char>(byte);
          break;
        }
        take_bytes(out);
        out.push_back(std::move(token));
        break;
      }
      case Kind::fuse: out.push_back(std::move(token)); break;
      case Kind::strip: out.push_back(strip(std::move(token))); break;
      case Kind::metaspace: out.push_back(replace_all(token, definition.from, first && definition.drop_first ? "" : " ")); break;
      case Kind::join_spaces: out.push_back(first ? std::move(token) : " " + token); break;
    }
    first = false;
  }

  void finish(std::vector<std::string>& out) {
    take_bytes(out);
    if (std::string rest = characters.finish(); !rest.empty()) out.push_back(std::move(rest));
    first = true;
    stripped = 0;
  }

 private:
  std::string strip(std::string token) {
    if (!stripped_once) stripped = 0;
    size_t at = 0;
    while (stripped < definition.count && token.compare(at, definition.from.size(), definition.from) == 0) {
      at += definition.from.size();
      ++stripped;
    }
    token.erase(0, at);
    if (!token.empty()) stripped = definition.count;
    return token;
  }

  void take_bytes(std::vector<std::string>& out) {
    if (bytes.empty()) return;
    if (invalid_utf8_offset(bytes) == std::string_view::npos) {
      out.push_back(bytes);
    } else {
      out.insert(out.end(), bytes.size(), std::string(kReplacement));
    }
    bytes.clear();
  }

  const DecoderStep& definition;
  const bool stripped_once;  ///< the tokens are parts of one text
  bool first = true;
  size_t stripped = 0;
  std::string bytes;
  Utf8Stream characters;
};

DecoderRun::DecoderRun(const DecoderChain& chain) {
  bool one_text = false;
  for (const DecoderStep& definition : chain) {
    steps_.push_back(std::make_unique<Step>(definition, one_text));
    one_text = one_text || definition.kind == DecoderStep::Kind::fuse || definition.kind == DecoderStep::Kind::byte_level;
  }
}

DecoderRun::~DecoderRun() = default;

std::string DecoderRun::push(std::string_view token) {
  std::vector<std::string> tokens = {std::string(token)};
  for (const auto& step : steps_) {
    std::vector<std::string> next;
    for (std::string& item : tokens) step->push(std::move(item), next);
    tokens = std::move(next);
  }
  std::string text;
  for (const std::string& item : tokens) text += item;
  return text;
}

std::string DecoderRun::finish() {
  std::vector<std::string> tokens;
  for (const auto& step : steps_) {
    std::vector<std::string> next;
    for (std::string& item : tokens) step->push(std::move(item), next);
    step->finish(next);
    tokens = std::move(next);
  }
  std::string text;
  for (const std::string& item : tokens) text += item;
  return text;
}

}  // namespace vila
