// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/bpe_tokenizer.h"

#include <algorithm>

#include "tokenizer/unicode.h"

namespace vila {
namespace {

class BpeStream final : public TextStream {
 public:
  BpeStream(const BpeTokenizer& tokenizer, const DecoderChain& decoder, bool skip_special)
      : tokenizer_(tokenizer), run_(decoder), skip_special_(skip_special) {}
  std::string push(int32_t id) override {
    const std::string token = tokenizer_.id_to_token(id);
    return skip_special_ && tokenizer_.is_special(id) ? std::string() : run_.push(token);
  }
  std::string finish() override { return run_.finish(); }

 private:
  const BpeTokenizer& tokenizer_;
  DecoderRun run_;
  const bool skip_special_;
};

}  // namespace

BpeTokenizer::BpeTokenizer(BpeParts parts, const TokenizerConfig& config, const std::map<std::string, std::string>& defaults)
    : parts_(std::move(parts)), vocab_size_(parts_.model.size()) {
  for (const AddedToken& token : parts_.added) add_token(token, parts_.name);
  for (const AddedToken& token : config.added) add_token(token, config.name);
  for (const std::string& content : config.all_special(defaults)) add_special(content, config.name);
  added_.seal([this](std::string_view text) {
    return parts_.normalizer != nullptr ? parts_.normalizer->normalize(text) : std::string(text);
  });
  const auto default_of = [&defaults](const char* key) {
    const auto it = defaults.find(key);
    return it == defaults.end() ? std::string() : it->second;
  };
  bos_id_ = token_to_id(config.token("bos_token", default_of("bos_token")));
  eos_id_ = token_to_id(config.token("eos_token", default_of("eos_token")));
  for (const auto& ids : {parts_.text_template.before, parts_.text_template.after}) {
    for (const int32_t id : ids) {
      if (added_.by_id(id) == nullptr && parts_.model.token_of(id) == nullptr) {
        fail(ErrorCode::bad_file, parts_.name, ": post_processor adds id ", id, ", which no token has");
      }
    }
  }
}

void BpeTokenizer::add_token(const AddedToken& token, const std::string& name) {
  const int32_t model_id = parts_.model.id_of(token.content);
  if (model_id >= 0 && model_id != token.id) {
    fail(ErrorCode::bad_file, name, ": added token ", in_quotes(token.content), " has id ", token.id, ", the vocabulary gives it ",
         model_id);
  }
  const std::string* model_token = parts_.model.token_of(token.id);
  if (model_token != nullptr && *model_token != token.content) {
    fail(ErrorCode::bad_file, name, ": added token ", in_quotes(token.content), " has id ", token.id, " of token ",
         in_quotes(*model_token));
  }
  added_.add(token, name);
  vocab_size_ = std::max(vocab_size_, token.id + 1);
}

// A special token that is no added token yet becomes one, with the id it has or the next one.
void BpeTokenizer::add_special(const std::string& content, const std::string& name) {
  if (added_.by_content(content) != nullptr) return;
  AddedToken token;
  const int32_t model_id = parts_.model.id_of(content);
  token.id = model_id >= 0 ? model_id : vocab_size_;
  token.content = content;
  token.special = true;
  add_token(token, name);
}

std::vector<int32_t> BpeTokenizer::encode(std::string_view text, bool add_special) const {
  if (text.size() > kMaxTextBytes) fail(ErrorCode::capacity, "text has ", text.size(), " bytes, expected at most ", kMaxTextBytes);
  std::vector<TextPiece> raw;
  added_.split({std::string(text), -1, true}, false, raw);
  std::vector<TextPiece> pieces;
  for (TextPiece& piece : raw) {
    if (piece.token >= 0) {
      pieces.push_back(std::move(piece));
    } else {
      if (parts_.normalizer != nullptr) piece.text = parts_.normalizer->normalize(piece.text);
      added_.split(piece, true, pieces);
    }
  }
  std::vector<int32_t> ids;
  if (add_special) ids = parts_.text_template.before;
  std::vector<TextPiece> words;
  for (TextPiece& piece : pieces) {
    if (piece.token >= 0) {
      ids.push_back(piece.token);
      continue;
    }
    words.clear();
    if (parts_.pre_tokenizer != nullptr) {
      parts_.pre_tokenizer->split(piece, words);
    } else {
      words.push_back(std::move(piece));
    }
    for (const TextPiece& word : words) parts_.model.encode(word.text, ids);
  }
  if (add_special) ids.insert(ids.end(), parts_.text_template.after.begin(), parts_.text_template.after.end());
  return ids;
}

std::string BpeTokenizer::decode(const std::vector<int32_t>& ids, bool skip_special) const {
  BpeStream stream(*this, parts_.decoder, skip_special);
  std::string text;
  for (const int32_t id : ids) text += stream.push(id);
  return text + stream.finish();
}

std::unique_ptr<TextStream> BpeTokenizer::stream(bool skip_special) const {
  return std::make_unique<BpeStream>(*this, parts_.decoder, skip_special);
}

int32_t BpeTokenizer::token_to_id(std::string_view token) const {
  const AddedToken* added = added_.by_content(token);
  return added != nullptr ? added->id : parts_.model.id_of(token);
}

std::string BpeTokenizer::id_to_token(int32_t id) const {
  if (const AddedToken* added = added_.by_id(id)) return added->content;
  const std::string* token = parts_.model.token_of(id);
  if (token == nullptr)
    fail(ErrorCode::invalid_argument, "token id ", id, " is not in the vocabulary, expected 0 to ", vocab_size_ - 1);
  return *token;
}

bool BpeTokenizer::is_special(int32_t id) const {
  const AddedToken* added = added_.by_id(id);
  return added != nullptr && added->special;
}

}  // namespace vila
