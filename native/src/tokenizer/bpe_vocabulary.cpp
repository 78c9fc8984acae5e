// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/bpe_vocabulary.h"

#include "tokenizer/tokenizer_config.h"
#include "tokenizer/unicode.h"

namespace vila {

std::vector<std::pair<std::string, int32_t>> read_vocabulary(const Json& value, const std::string& name) {
  if (!value.is_object()) fail(ErrorCode::bad_file, name, ": the vocabulary is no object");
  std::vector<std::pair<std::string, int32_t>> vocabulary;
  vocabulary.reserve(value.size());
  for (const auto& [token, id] : value.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= static_cast<uint64_t>(kMaxTokenIds)) {
      fail(ErrorCode::bad_file, name, ": token ", in_quotes(token), " has id ",
           id.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 30), ", expected 0 to ", kMaxTokenIds - 1);
    }
    vocabulary.emplace_back(token, id.get<int32_t>());
  }
  return vocabulary;
}

std::pair<std::string, std::string> split_merge(const std::string& merge, const std::string& name) {
  const size_t space = merge.find(' ');
  if (space == std::string::npos || space == 0 || space + 1 == merge.size() || merge.find(' ', space + 1) != std::string::npos) {
    fail(ErrorCode::bad_file, name, ": merge ", in_quotes(merge), " is not two tokens with a space between them");
  }
  return {merge.substr(0, space), merge.substr(space + 1)};
}

}  // namespace vila
