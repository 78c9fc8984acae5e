// SPDX-License-Identifier: Apache-2.0
// vocab.json and merges.txt, as Qwen2 checkpoints have them.
#include "common/mapped_file.h"
#include "tokenizer/bpe_tokenizer.h"
#include "tokenizer/bpe_vocabulary.h"
#include "tokenizer/unicode.h"

namespace vila {
namespace {

constexpr uint64_t kMaxMergesBytes = 64ULL << 20;

// What transformers' converter for Qwen2 sets up.
constexpr const char* kQwen2Pattern = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
                                      R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

void read_merges(const std::string& path, BpeModel& model) {
  const std::string text = read_file(path, kMaxMergesBytes);
  size_t line_number = 0;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    std::string line = text.substr(at, end - at);
    at = end + 1;
    ++line_number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || (line_number == 1 && line.compare(0, 8, "#version") == 0)) continue;
    const auto [left, right] = split_merge(line, join(path, ": line ", line_number));
    model.add_merge(left, right, path);
  }
}

}  // namespace

std::shared_ptr<const TokenizerBase> open_bpe_files(const std::string& folder) {
  const TokenizerConfig config = read_tokenizer_config(folder);
  const std::string vocabulary = folder + "/vocab.json";
  BpeModel model(read_vocabulary(read_json(vocabulary), vocabulary), {}, vocabulary);
  read_merges(folder + "/merges.txt", model);

  std::vector<std::unique_ptr<const PreTokenizer>> steps;
  steps.push_back(std::make_unique<SplitPreTokenizer>(Regex(kQwen2Pattern, vocabulary), false, false));
  steps.push_back(std::make_unique<ByteLevelPreTokenizer>(config.add_prefix_space.value_or(false), false));
  BpeParts parts{std::move(model),
                 {},
                 std::make_unique<UnicodeNormalizer>(UnicodeNormalizer::Form::nfc),
                 std::make_unique<PreTokenizerSequence>(std::move(steps)),
                 {DecoderStep{DecoderStep::Kind::byte_level, {}, {}, 0, false}},
                 {},
                 vocabulary};
  const std::string end_of_text = "<|endoftext|>";
  return std::make_shared<BpeTokenizer>(
      std::move(parts), config,
      std::map<std::string, std::string>{{"unk_token", end_of_text}, {"eos_token", end_of_text}, {"pad_token", end_of_text}});
}

}  // namespace vila
