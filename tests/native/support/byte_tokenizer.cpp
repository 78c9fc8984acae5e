// SPDX-License-Identifier: Apache-2.0
#include "support/byte_tokenizer.h"

#include <nlohmann/json.hpp>

#include "support/npy.h"

namespace vila::testing {
namespace {

using Json = nlohmann::json;

/// The letter that stands for a byte in byte-level vocabularies: itself where it can be printed, else the next from U+0100 on.
std::string letter_of(int byte) {
  const auto printable = [](int b) { return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE; };
  int code = byte;
  if (!printable(byte)) {
    code = 256;
    for (int b = 0; b < byte; ++b) code += printable(b) ? 0 : 1;
  }
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
}

}  // namespace

void write_byte_tokenizer(const std::filesystem::path& folder, const std::vector<std::string>& added, bool old_style) {
  std::filesystem::create_directories(folder);
  Json vocabulary = Json::object();
  for (int byte = 0; byte < 256; ++byte) vocabulary[letter_of(byte)] = byte;
  vocabulary[letter_of('\n') + letter_of('\n')] = 256;
  write_file(folder / "vocab.json", vocabulary.dump());
  write_file(folder / "merges.txt", "#version: 0.2\n" + letter_of('\n') + " " + letter_of('\n') + "\n");

  Json decoder = Json::object(), ids = Json::object();
  for (size_t i = 0; i < added.size(); ++i) {
    const int id = kFirstAddedByteToken + static_cast<int>(i);
    ids[added[i]] = id;
    decoder[std::to_string(id)] = {{"content", added[i]}, {"lstrip", false},      {"normalized", false},
                                   {"rstrip", false},     {"single_word", false}, {"special", true}};
  }
  Json config = {{"tokenizer_class", "Qwen2Tokenizer"}, {"add_bos_token", false},    {"add_prefix_space", false},
                 {"eos_token", "<|im_end|>"},           {"pad_token", "<|im_end|>"}, {"unk_token", nullptr},
                 {"additional_special_tokens", added}};
  if (old_style) {
    write_file(folder / "added_tokens.json", ids.dump());
  } else {
    config["added_tokens_decoder"] = decoder;
  }
  write_file(folder / "tokenizer_config.json", config.dump(1));
}

}  // namespace vila::testing
