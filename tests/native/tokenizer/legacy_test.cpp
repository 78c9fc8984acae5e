// SPDX-License-Identifier: Apache-2.0
// TokenizerSpec::legacy against the "legacy" of tokenizer_config.json.
#include <doctest/doctest.h>

#include <filesystem>

#include "native/tokenizer/cases.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

TEST_CASE("the spec's legacy stands over the file's") {
  const TempDir folder;
  std::filesystem::copy(tokenizer_cases()[1].spec.folder + "/tokenizer.model", folder.path());
  const auto tokens = [&](const char* config, std::optional<bool> legacy) {
    write_file(folder / "tokenizer_config.json", config);
    const auto tokenizer = open_tokenizer({TokenizerSpec::Kind::sentencepiece, folder.path().string(), legacy});
    std::string list;
    for (const int32_t id : tokenizer->encode("</s>USER", false)) list += tokenizer->id_to_token(id) + " ";
    return list;
  };
  // Legacy puts a space before each part, the other way only before the whole text.
  const std::string with_space = "</s> \xE2\x96\x81 U S E R ", without = "</s> U S E R ";
  CHECK(tokens("{}", std::nullopt) == without);
  CHECK(tokens(R"({"legacy": true})", std::nullopt) == with_space);
  CHECK(tokens(R"({"legacy": false})", std::nullopt) == without);
  for (const char* config : {"{}", R"({"legacy": true})", R"({"legacy": false})"}) {
    CAPTURE(config);
    CHECK(tokens(config, true) == with_space);
    CHECK(tokens(config, false) == without);
  }
}
