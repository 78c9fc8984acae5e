// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/tokenizer.h"

#include <filesystem>

#include "common/error.h"
#include "tokenizer/bpe_tokenizer.h"
#include "tokenizer/sentencepiece_tokenizer.h"

namespace vila {
namespace {

// Keeps the ids and decodes them at the end.
class WholeStream final : public TextStream {
 public:
  WholeStream(const TokenizerBase& tokenizer, bool skip_special) : tokenizer_(tokenizer), skip_special_(skip_special) {}
  std::string push(int32_t id) override {
    ids_.push_back(id);
    return "";
  }
  std::string finish() override {
    const std::vector<int32_t> ids = std::exchange(ids_, {});
    return tokenizer_.decode(ids, skip_special_);
  }

 private:
  const TokenizerBase& tokenizer_;
  const bool skip_special_;
  std::vector<int32_t> ids_;
};

}  // namespace

std::unique_ptr<TextStream> TokenizerBase::stream(bool skip_special) const {
  return std::make_unique<WholeStream>(*this, skip_special);
}

std::shared_ptr<const TokenizerBase> open_tokenizer(const TokenizerSpec& spec) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(spec.folder, ignored)) fail(ErrorCode::not_found, spec.folder, ": no such folder");
  switch (spec.kind) {
    case TokenizerSpec::Kind::sentencepiece: return std::make_shared<SentencePieceTokenizer>(spec.folder, spec.legacy);
    case TokenizerSpec::Kind::bpe_json: return open_bpe_json(spec.folder);
    case TokenizerSpec::Kind::bpe_files: return open_bpe_files(spec.folder);
  }
  fail(ErrorCode::internal, "unknown tokenizer kind");
}

StreamDecoder::StreamDecoder(std::shared_ptr<const TokenizerBase> tokenizer, bool skip_special)
    : tokenizer_(std::move(tokenizer)), stream_(tokenizer_->stream(skip_special)) {}

StreamDecoder::~StreamDecoder() = default;

std::string StreamDecoder::push(int32_t id) { return stream_->push(id); }

std::string StreamDecoder::finish() { return stream_->finish(); }

}  // namespace vila
