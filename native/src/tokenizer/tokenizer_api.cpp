// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/tokenizer_api.h"

#include "checkpoint/checkpoint.h"
#include "common/utf8.h"

namespace vila {

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(const Tokenizer&) = default;
Tokenizer& Tokenizer::operator=(const Tokenizer&) = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::string& path) {
  return Tokenizer(std::make_shared<const Impl>(open_tokenizer(find_tokenizer(path))));
}

std::vector<int32_t> Tokenizer::encode(const std::string& text, bool add_special_tokens) const {
  require_utf8(text, "text");
  return impl_->base->encode(text, add_special_tokens);
}

std::string Tokenizer::decode(const std::vector<int32_t>& ids, bool skip_special_tokens) const {
  return impl_->base->decode(ids, skip_special_tokens);
}

int32_t Tokenizer::vocab_size() const noexcept { return impl_->base->vocab_size(); }
int32_t Tokenizer::bos_id() const noexcept { return impl_->base->bos_id(); }
int32_t Tokenizer::eos_id() const noexcept { return impl_->base->eos_id(); }
int32_t Tokenizer::token_to_id(const std::string& token) const { return impl_->base->token_to_id(token); }
std::string Tokenizer::id_to_token(int32_t id) const { return impl_->base->id_to_token(id); }

}  // namespace vila
