// SPDX-License-Identifier: Apache-2.0
// What is behind the public Tokenizer.
#pragma once

#include <memory>

#include "common/live_count.h"
#include "tokenizer/tokenizer.h"
#include "vila/vila.h"

namespace vila {

struct Tokenizer::Impl {
  explicit Impl(std::shared_ptr<const TokenizerBase> tokenizer) : base(std::move(tokenizer)) {}
  std::shared_ptr<const TokenizerBase> base;
  LiveCount<LiveType::tokenizer> live;
};

}  // namespace vila
