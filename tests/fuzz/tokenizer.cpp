// SPDX-License-Identifier: Apache-2.0
// Tokenizer files: tokenizer.json of several kinds, tokenizer_config.json and tokenizer.model. The first bytes of an input say
// which file it is; what opens must encode and decode short texts, in one go and as a stream.
#include <filesystem>
#include <stdexcept>

#include "common/json.h"
#include "common/utf8.h"
#include "fuzz/fuzz.h"
#include "support/npy.h"
#include "tokenizer/tokenizer.h"

namespace {

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
using Kind = TokenizerSpec::Kind;

constexpr const char* kTexts[] = {"",
                                  " ",
                                  "Hello, world!  123\n\n",
                                  "<s>a</s><unk> b",
                                  "<x> a <y>b ab",
                                  "caf\xC3\xA9 e\xCC\x81 \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x98\x80\xE2\x96\x81"};

// Every component with a short vocabulary, so that a mutation is likely to hit something.
constexpr const char* kSmall = R"json({"added_tokens":[
{"id":9,"content":"<x>","single_word":true,"lstrip":true,"rstrip":true,"normalized":true,"special":true},
{"id":10,"content":"<y>","lstrip":true,"rstrip":true,"single_word":false,"normalized":false,"special":false}],
"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Prepend","prepend":"_"},
{"type":"Replace","pattern":{"Regex":" +"},"content":"_"}]},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
{"type":"Split","pattern":{"Regex":"(?i:'s)|\\p{L}+|[^\\r\\n\\w]?|\\s+(?!\\S)"},"behavior":"Removed","invert":true},
{"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":true}]},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<x>"}},{"Sequence":{"id":"A"}}],
"special_tokens":{"<x>":{"ids":[9]}}},
"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},{"type":"ByteFallback"},
{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
"model":{"type":"BPE","unk_token":"<u>","fuse_unk":true,"byte_fallback":true,"ignore_merges":false,
"vocab":{"a":0,"b":1,"ab":2,"<u>":3,"_":4,"_a":5,"<0xC3>":6,"<0xA9>":7,"b_":8},
"merges":["a b",["_","a"],"b _"]}})json";

// clang-format off
const std::vector<std::string> kTokens = {
    "\"type\":", "\"BPE\"", "\"ByteLevel\"", "\"Metaspace\"", "\"Split\"", "\"Sequence\"", "\"NFC\"", "\"NFD\"", "\"ByteFallback\"",
    "\"Fuse\"", "\"Strip\"", "\"Replace\"", "\"TemplateProcessing\"", "null", "true", "false", "-1", "2000000", "4294967296",
    "\"use_regex\":true", "\"add_prefix_space\":true", "\"Regex\":\"", "\\\\s+", "\\\\p{L}", "(?:a|b)*", "[^a]", "{1,3}", "(?=",
    "(?<=", "(?R)", "(a*)*", "\\u2581", "\"id\":3", "\"added_tokens_decoder\":{\"5\":{\"content\":\"<s>\"}},", "\"legacy\":true,",
    std::string("\x1A\x02\x18\x00", 4), std::string("\x18\x02", 2)};
// clang-format on

class Target {
 public:
  explicit Target(const TempDir& folder) : folder_(folder.path()) {
    model_ = data("cases/vila15-llama2-siglip/tokenizer/tokenizer.model");
  }

  void operator()(const std::string& input) const {
    const bool json = !input.empty() && input[0] == '{';
    const bool config = json && input.find("\"model\"") == std::string::npos;
    std::filesystem::remove(folder_ / "tokenizer_config.json");
    if (config) {
      write_file(folder_ / "tokenizer_config.json", input);
      write_file(folder_ / "tokenizer.json", kSmall);
      std::filesystem::copy_file(model_, folder_ / "tokenizer.model", std::filesystem::copy_options::overwrite_existing);
      use_either();
    } else {
      write_file(folder_ / (json ? "tokenizer.json" : "tokenizer.model"), input);
      use(json ? Kind::bpe_json : Kind::sentencepiece);
    }
  }

 private:
  static void require(bool condition, const char* what) {
    if (!condition) throw std::logic_error(what);
  }

  // A configuration counts as refused when neither tokenizer takes it.
  void use_either() const {
    bool taken = true;
    try {
      use(Kind::bpe_json);
    } catch (const Error&) {
      taken = false;
    }
    try {
      use(Kind::sentencepiece);
    } catch (const Error&) {
      if (!taken) throw;
    }
  }

  void use(Kind kind) const {
    const auto tokenizer = open_tokenizer({kind, folder_.string()});
    for (const char* text : kTexts) check(tokenizer, tokenizer->encode(text, true));
    std::vector<int32_t> ids;
    const int32_t step = std::max(1, tokenizer->vocab_size() / 300);
    for (int32_t id = 0; id < tokenizer->vocab_size(); id += step) {
      try {
        tokenizer->id_to_token(id);
        ids.push_back(id);
      } catch (const Error&) {  // an id that no token has
      }
    }
    check(tokenizer, ids);
  }

  static void check(const std::shared_ptr<const TokenizerBase>& tokenizer, const std::vector<int32_t>& ids) {
    for (const bool skip_special : {true, false}) {
      const std::string whole = tokenizer->decode(ids, skip_special);
      require(invalid_utf8_offset(whole) == std::string::npos, "decode() gave ill-formed UTF-8");
      StreamDecoder stream(tokenizer, skip_special);
      std::string text;
      for (const int32_t id : ids) text += stream.push(id);
      text += stream.finish();
      require(text == whole, "the stream differs from decode()");
    }
  }

  std::filesystem::path folder_, model_;
};

}  // namespace

int main() {
  const std::string cases = data("cases").string();
  const TempDir folder;
  const std::vector<std::string> seeds = {
      kSmall,
      kSmall,
      fuzz::read_seed(cases + "/vila15-llama3-siglip/model/llm/tokenizer.json"),
      fuzz::read_seed(cases + "/vila15-llama2-siglip/tokenizer/tokenizer_config.json"),
      fuzz::read_seed(cases + "/vila15-llama2-siglip/tokenizer/tokenizer.model"),
  };
  const Target target(folder);
  return fuzz::run("tokenizer", seeds, kTokens, [&target](const std::string& input) { target(input); });
}
