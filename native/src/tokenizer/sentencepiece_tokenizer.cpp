// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/sentencepiece_tokenizer.h"

#include <algorithm>

#include "common/mapped_file.h"
#include "tokenizer/sentencepiece_check.h"
#include "tokenizer/sentencepiece_stream.h"
#include "tokenizer/unicode.h"

namespace vila {
namespace {

constexpr uint64_t kMaxModelBytes = 64ULL << 20;

// A protobuf message continues where it ends: these bytes set normalizer_spec (3) { add_dummy_prefix (3) = false }.
constexpr std::string_view kNoDummyPrefix("\x1A\x02\x18\x00", 4);

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(const std::string& folder, std::optional<bool> legacy)
    : path_(folder + "/tokenizer.model") {
  const TokenizerConfig config = read_tokenizer_config(folder);
  legacy_ = legacy.value_or(config.legacy.value_or(false));
  add_prefix_space_ = config.add_prefix_space.value_or(true);
  add_bos_ = config.add_bos.value_or(true);
  add_eos_ = config.add_eos.value_or(false);

  std::string model = read_file(path_, kMaxModelBytes);
  if (model.empty()) fail(ErrorCode::bad_file, path_, ": is empty, expected a SentencePiece model");
  check_sentencepiece_model(model, path_);
  if (!legacy_) model += kNoDummyPrefix;
  const sentencepiece::util::Status status = processor_.LoadFromSerializedProto(model);
  if (!status.ok()) fail(ErrorCode::bad_file, path_, ": no SentencePiece model: ", status.message());
  if (processor_.GetPieceSize() > kMaxTokenIds) {
    fail(ErrorCode::bad_file, path_, ": has ", processor_.GetPieceSize(), " pieces, expected at most ", kMaxTokenIds);
  }

  const std::map<std::string, std::string> defaults = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}};
  special_ = config.all_special(defaults);
  additional_special_.insert(config.additional_special.begin(), config.additional_special.end());
  add_tokens(config, defaults);
  unk_token_ = config.token("unk_token", "<unk>");
  unk_pieces_ = encode_pieces(unk_token_).size();
  bos_id_ = token_to_id(config.token("bos_token", "<s>"));
  eos_id_ = token_to_id(config.token("eos_token", "</s>"));
}

void SentencePieceTokenizer::add_tokens(const TokenizerConfig& config, const std::map<std::string, std::string>& defaults) {
  const auto add = [this, &config](const AddedToken& token) {
    if (token.content.empty()) return;
    const auto [it, inserted] = added_.emplace(token.content, token);
    if (!inserted && it->second.id != token.id) {
      fail(ErrorCode::bad_file, config.name, ": added token ", in_quotes(token.content), " has ids ", it->second.id, " and ",
           token.id);
    }
    added_by_id_[token.id] = token.content;
    vocab_size_ = std::max(vocab_size_, token.id + 1);
  };
  vocab_size_ = processor_.GetPieceSize();
  for (const AddedToken& token : config.added) add(token);
  // Special tokens that are in neither list get the next ids, in the order of transformers' attributes.
  const auto add_special = [&](const std::string& content) {
    if (content.empty() || added_.count(content) > 0) return;
    const int32_t known = token_to_id(content);
    AddedToken token;
    token.id = known >= 0 ? known : vocab_size_;
    token.content = content;
    token.special = true;
    add(token);
  };
  for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    const auto fallback = defaults.find(key);
    add_special(config.token(key, fallback == defaults.end() ? "" : fallback->second));
  }
  for (const std::string& content : config.additional_special) add_special(content);
  for (const auto& [content, token] : added_) {
    trie_.add(content, static_cast<int32_t>(trie_tokens_.size()));
    trie_tokens_.push_back(content);
  }
}

// As transformers' PreTrainedTokenizer.tokenize: parts and added tokens in turn, the tokens' flags applied to their neighbours.
std::vector<std::string> SentencePieceTokenizer::split_text(const std::string& text) const {
  std::vector<std::string> parts;
  size_t done = 0;
  while (const auto match = trie_.find(text, done)) {
    if (match->begin > done) parts.push_back(text.substr(done, match->begin - done));
    parts.push_back(trie_tokens_[match->value]);
    done = match->end;
  }
  if (done < text.size()) parts.push_back(text.substr(done));

  for (size_t i = 0; i < parts.size(); ++i) {
    const auto found = added_.find(parts[i]);
    if (found == added_.end()) continue;
    const AddedToken& token = found->second;
    std::string* left = i > 0 && !parts[i - 1].empty() ? &parts[i - 1] : nullptr;
    std::string* right = i + 1 < parts.size() && !parts[i + 1].empty() ? &parts[i + 1] : nullptr;
    // The rules for single words look at the neighbours as they were before stripping.
    const bool left_word = left != nullptr && left->back() != ' ';
    const bool right_word = right != nullptr && right->front() != ' ';
    if (token.rstrip && right != nullptr) *right = strip_left(*right);
    if (token.lstrip && left != nullptr) *left = strip_right(*left);
    if (token.single_word && left_word) {
      left->append(token.content);
      parts[i].clear();
    } else if (token.single_word && right_word) {
      right->insert(0, token.content);
      parts[i].clear();
    }
  }
  return parts;
}

std::vector<std::string> SentencePieceTokenizer::encode_pieces(std::string_view text) const {
  std::vector<std::string> pieces;
  const sentencepiece::util::Status status = processor_.Encode(text, &pieces);
  if (!status.ok()) fail(ErrorCode::internal, path_, ": SentencePiece cannot encode: ", status.message());
  return pieces;
}

// SentencePiece drops a leading "▁" where the dummy prefix is off; behind another text it stays.
void SentencePieceTokenizer::append_pieces(const std::string& text, std::vector<std::string>& tokens) const {
  const bool guarded = !legacy_ && (text.compare(0, kMetaspace.size(), kMetaspace) == 0 || text.front() == ' ');
  std::vector<std::string> pieces = encode_pieces(guarded ? unk_token_ + text : text);
  const size_t skip = guarded && pieces.size() >= unk_pieces_ ? unk_pieces_ : 0;
  tokens.insert(tokens.end(), std::make_move_iterator(pieces.begin() + static_cast<ptrdiff_t>(skip)),
                std::make_move_iterator(pieces.end()));
}

std::vector<int32_t> SentencePieceTokenizer::encode(std::string_view text, bool add_special) const {
  if (text.size() > kMaxTextBytes) fail(ErrorCode::capacity, "text has ", text.size(), " bytes, expected at most ", kMaxTextBytes);
  std::string prepared(text);
  if (!legacy_ && !text.empty()) {
    prepared = replace_all(text, kMetaspace, " ");
    if (add_prefix_space_) prepared.insert(0, kMetaspace);
  }
  std::vector<std::string> tokens;
  for (const std::string& part : split_text(prepared)) {
    if (part.empty()) continue;
    if (added_.count(part) > 0) {
      tokens.push_back(part);
    } else {
      append_pieces(part, tokens);
    }
  }
  const bool lone_prefix = !legacy_ && tokens.size() > 1 && tokens[0] == kMetaspace && is_special(tokens[1]);
  std::vector<int32_t> ids;
  ids.reserve(tokens.size() + 2);
  if (add_special && add_bos_ && bos_id_ >= 0) ids.push_back(bos_id_);
  for (size_t i = lone_prefix ? 1 : 0; i < tokens.size(); ++i) {
    const auto found = added_.find(tokens[i]);
    ids.push_back(found != added_.end() ? found->second.id : processor_.PieceToId(tokens[i]));
  }
  if (add_special && add_eos_ && eos_id_ >= 0) ids.push_back(eos_id_);
  return ids;
}

std::string SentencePieceTokenizer::decode(const std::vector<int32_t>& ids, bool skip_special) const {
  SentencePieceStream text(*this, skip_special);
  std::string result;
  for (const int32_t id : ids) result += text.push(id);
  return result + text.finish();
}

std::unique_ptr<TextStream> SentencePieceTokenizer::stream(bool skip_special) const {
  return std::make_unique<SentencePieceStream>(*this, skip_special);
}

int32_t SentencePieceTokenizer::token_to_id(std::string_view token) const {
  const auto found = added_.find(std::string(token));
  if (found != added_.end()) return found->second.id;
  const int id = processor_.PieceToId(token);
  return processor_.IdToPiece(id) == token ? id : -1;
}

std::string SentencePieceTokenizer::id_to_token(int32_t id) const {
  const auto found = added_by_id_.find(id);
  if (found != added_by_id_.end()) return found->second;
  if (id < 0 || id >= processor_.GetPieceSize()) {
    fail(ErrorCode::invalid_argument, "token id ", id, " is not in the vocabulary, expected 0 to ", vocab_size_ - 1);
  }
  return processor_.IdToPiece(id);
}

bool SentencePieceTokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size_ && (added_by_id_.count(id) > 0 || id < processor_.GetPieceSize()) &&
         is_special(id_to_token(id));
}

bool SentencePieceTokenizer::stands_apart(const std::string& token) const {
  const auto found = added_.find(token);
  if (found == added_.end()) return false;
  return !is_special(token) || (additional_special_.count(token) > 0 && found->second.id >= processor_.GetPieceSize());
}

}  // namespace vila
