// SPDX-License-Identifier: Apache-2.0
// What SentencePiece itself does not check about a model file.
#pragma once

#include <string>
#include <string_view>

namespace vila {

/// Looks at the outer fields of a SentencePiece ModelProto and at its character map, a trie that SentencePiece walks without
/// checking its bounds. Throws bad_file with `name` where one of them is damaged, and unsupported where the model has a
/// denormalizer (PieceDecoder knows none).
void check_sentencepiece_model(std::string_view model, const std::string& name);

}  // namespace vila
