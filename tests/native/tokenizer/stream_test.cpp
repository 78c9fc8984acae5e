// SPDX-License-Identifier: Apache-2.0
// Decoding id by id.
#include <doctest/doctest.h>

#include "common/utf8.h"
#include "native/tokenizer/cases.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/sentencepiece_stream.h"
#include "tokenizer/sentencepiece_tokenizer.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

std::vector<int32_t> random_ids(std::mt19937_64& random, int32_t vocab) {
  std::vector<int32_t> ids(random() % 40);
  // Half of the ids from the lower end, where SentencePiece has its bytes and byte-level BPE its letters.
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % (random() % 2 == 0 ? 259 : static_cast<uint64_t>(vocab)));
  return ids;
}

}  // namespace

TEST_CASE("pieces of a stream are whole characters and make up decode()") {
  std::mt19937_64 random(1);
  for (const TokenizerCase& c : tokenizer_cases()) {
    CAPTURE(c.name);
    const auto tokenizer = c.open();
    for (const bool skip_special : {true, false}) {
      StreamDecoder decoder(tokenizer, skip_special);
      for (int round = 0; round < 2000; ++round) {
        const std::vector<int32_t> ids = random_ids(random, tokenizer->vocab_size());
        std::string text;
        for (const int32_t id : ids) {
          const std::string piece = decoder.push(id);
          CHECK(invalid_utf8_offset(piece) == std::string_view::npos);
          text += piece;
        }
        text += decoder.finish();
        CHECK(text == tokenizer->decode(ids, skip_special));
      }
    }
  }
}

TEST_CASE("pieces come out as early as they are certain") {
  const auto cases = tokenizer_cases();
  const auto sentencepiece = cases[1].open();
  StreamDecoder decoder(sentencepiece, true);
  CHECK(decoder.push(sentencepiece->token_to_id("<0xE2>")) == "");
  CHECK(decoder.push(sentencepiece->token_to_id("<0x82>")) == "");
  CHECK(decoder.push(sentencepiece->token_to_id("<0xAC>")) == "\xE2\x82\xAC");
  CHECK(decoder.push(sentencepiece->token_to_id("<0xE2>")) == "");
  CHECK(decoder.push(sentencepiece->token_to_id("a")) ==
        "\xEF\xBF\xBD"
        "a");
  CHECK(decoder.finish() == "");
  const auto byte_level = cases[2].open();
  StreamDecoder bytes(byte_level, true);
  const std::vector<int32_t> ids = byte_level->encode("\xF0\x9F\x98\x80!", false);
  REQUIRE(ids.size() == 4);
  CHECK(bytes.push(ids[0]) == "");
  CHECK(bytes.push(ids[1]) == "");
  CHECK(bytes.push(ids[2]) == "\xF0\x9F\x98\x80");
  CHECK(bytes.push(ids[3]) == "!");
  CHECK(bytes.finish() == "");
}

TEST_CASE("PieceDecoder gives what SentencePiece's own Decode gives for the whole list") {
  std::mt19937_64 random(2);
  const TempDir folder;
  std::filesystem::copy(tokenizer_cases()[1].spec.folder, folder / "plain");
  std::filesystem::copy(tokenizer_cases()[1].spec.folder, folder / "legacy");
  write_file(folder / "legacy" / "tokenizer_config.json", R"({"legacy": true})");
  for (const char* name : {"plain", "legacy"}) {
    const SentencePieceTokenizer tokenizer((folder / name).string());
    const auto& processor = tokenizer.processor();
    for (int round = 0; round < 4000; ++round) {
      std::vector<std::string> pieces;
      for (const int32_t id : random_ids(random, processor.GetPieceSize())) pieces.push_back(processor.IdToPiece(id));
      if (random() % 4 == 0) pieces.emplace_back("\xE2\x96\x81\xE2\x96\x81\xE2\x96\x81 not a piece");
      if (random() % 4 == 0) pieces.insert(pieces.begin(), "");
      PieceDecoder decoder(tokenizer);
      std::string text, whole;
      for (const std::string& piece : pieces) text += decoder.push(piece);
      text += decoder.finish();
      REQUIRE(processor.Decode(pieces, &whole).ok());
      CHECK(text == whole);
    }
  }
}

TEST_CASE("byte-level: any text comes back, any ids are the bytes of their letters") {
  std::mt19937_64 random(3);
  const auto tokenizer = tokenizer_cases()[2].open();
  for (int round = 0; round < 3000; ++round) {
    const std::string text = random_text(random, 60);
    CHECK(tokenizer->decode(tokenizer->encode(text, false), false) == text);
    const std::vector<int32_t> ids = random_ids(random, tokenizer->vocab_size());
    std::string bytes;
    for (const int32_t id : ids) {
      if (!tokenizer->is_special(id)) bytes += letters_to_bytes(tokenizer->id_to_token(id)).value();
    }
    CHECK(tokenizer->decode(ids, true) == replace_invalid_utf8(bytes));
  }
}

TEST_CASE("the byte-level alphabet") {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  CHECK(letters_to_bytes(bytes_to_letters(all)) == all);
  CHECK(bytes_to_letters(" \n\x7F\xAD~") == "\xC4\xA0\xC4\x8A\xC4\xA1\xC5\x83~");
  CHECK_FALSE(letters_to_bytes("a b").has_value());
  CHECK_FALSE(letters_to_bytes("\xC5\x84").has_value());
}
