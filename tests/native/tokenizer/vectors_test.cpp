// SPDX-License-Identifier: Apache-2.0
// Every given vector, exactly.
#include <doctest/doctest.h>

#include "native/tokenizer/cases.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

TEST_CASE("every given vector: ids, text without and with special tokens") {
  size_t with_special = 0;
  for (const TokenizerCase& c : tokenizer_cases()) {
    const auto tokenizer = c.open();
    const Json vectors = c.vectors();
    CHECK(vectors.size() == 232);
    for (const Json& vector : vectors) {
      const auto text = vector.at("text").get<std::string>();
      CAPTURE(c.name);
      CAPTURE(text);
      const auto ids = vector.at("ids").get<std::vector<int32_t>>();
      CHECK(tokenizer->encode(text, true) == ids);
      CHECK(tokenizer->decode(ids, true) == vector.at("decoded").get<std::string>());
      if (vector.contains("decoded_with_special")) {
        ++with_special;
        CHECK(tokenizer->decode(ids, false) == vector.at("decoded_with_special").get<std::string>());
      }
    }
  }
  CHECK(with_special == 232);
}
