// SPDX-License-Identifier: Apache-2.0
// Tokens back to text: the chain of decoders of a tokenizer.json, token by token.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vila {

/// One decoder of the chain. A value.
struct DecoderStep {
  enum class Kind {
    byte_level,     ///< letters of the byte-level alphabet to bytes; ill-formed UTF-8 to U+FFFD; all tokens become one text
    replace,        ///< in each token, `from` becomes `to`
    byte_fallback,  ///< a row of tokens "<0xE2>" becomes its characters or, where ill-formed, one U+FFFD for each
    fuse,           ///< all tokens become one text
    strip,          ///< up to `count` leading characters `from` are taken off each token (after fuse: off the text)
    metaspace,      ///< `from` becomes a space or, in the first token where `drop_first`, nothing
    join_spaces     ///< a space between two tokens: what a tokenizer without a decoder does
  };
  Kind kind = Kind::fuse;
  std::string from, to;
  size_t count = 0;
  bool drop_first = false;
};

/// The decoders in order; nothing but strip may follow what makes one text of all tokens.
using DecoderChain = std::vector<DecoderStep>;

/// A running chain. One thread; must not outlive the chain.
class DecoderRun {
 public:
  explicit DecoderRun(const DecoderChain& chain);
  ~DecoderRun();
  /// Adds a token (well-formed UTF-8); returns the text that is now certain.
  std::string push(std::string_view token);
  /// The rest; the run is as new afterwards.
  std::string finish();

 private:
  struct Step;
  std::vector<std::unique_ptr<Step>> steps_;
};

}  // namespace vila
