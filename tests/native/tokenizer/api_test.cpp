// SPDX-License-Identifier: Apache-2.0
// The public Tokenizer.
#include <doctest/doctest.h>

#include "native/tokenizer/cases.h"
#include "vila/vila.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

TEST_CASE("Tokenizer::load finds the tokenizer of a checkpoint and of a bare folder") {
  const Tokenizer llama3 = Tokenizer::load(data("cases/vila15-llama3-siglip/model").string());
  CHECK(llama3.vocab_size() == 1024);
  CHECK(llama3.bos_id() == 1008);
  CHECK(llama3.eos_id() == 1009);
  CHECK(llama3.token_to_id("<|eot_id|>") == 1017);
  CHECK(llama3.token_to_id("no such token") == -1);
  CHECK(llama3.id_to_token(220) == "\xC4\xA0");
  CHECK(llama3.encode("a<|eot_id|>b", true) == std::vector<int32_t>{1008, 64, 1017, 65});
  CHECK(llama3.encode("a", false) == std::vector<int32_t>{64});
  CHECK(llama3.decode({1008, 64, 1017, 65}, false) == "<|begin_of_text|>a<|eot_id|>b");
  const Tokenizer bare = Tokenizer::load(data("cases/vila15-llama2-siglip/tokenizer").string());
  CHECK(bare.vocab_size() == 800);
  CHECK(bare.bos_id() == 1);
  CHECK(bare.eos_id() == 2);
  CHECK(bare.id_to_token(13) == "<0x0A>");
  CHECK(bare.token_to_id("<unk>") == 0);
  CHECK(bare.token_to_id("no such token") == -1);
}

TEST_CASE("arguments of the public Tokenizer") {
  for (const char* folder : {"cases/vila15-llama3-siglip/model", "cases/vila15-llama2-siglip/tokenizer"}) {
    const Tokenizer tokenizer = Tokenizer::load(data(folder).string());
    const std::string last = std::to_string(tokenizer.vocab_size() - 1), end = std::to_string(tokenizer.vocab_size());
    CHECK(error_of([&] { tokenizer.encode("ab\xFF", true); }) == "1:text: invalid UTF-8 at byte 2");
    CHECK(error_of([&] { tokenizer.decode({3, -1}, true); }) == "1:token id -1 is not in the vocabulary, expected 0 to " + last);
    CHECK(error_of([&] { tokenizer.id_to_token(tokenizer.vocab_size()); }) ==
          "1:token id " + end + " is not in the vocabulary, expected 0 to " + last);
    CHECK(tokenizer.decode({}, false).empty());
  }
}

TEST_CASE("a tokenizer is counted as long as a handle lives") {
  const int64_t before = live_object_count();
  {
    const Tokenizer tokenizer = Tokenizer::load(data("cases/vila15-llama2-siglip/tokenizer").string());
    const Tokenizer copy = tokenizer;  // NOLINT(performance-unnecessary-copy-initialization)
    CHECK(live_object_count() == before + 1);
  }
  CHECK(live_object_count() == before);
}
