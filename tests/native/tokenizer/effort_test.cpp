// SPDX-License-Identifier: Apache-2.0
// Long inputs take time n log n at most, and several threads may use one tokenizer.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "native/tokenizer/cases.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/token_trie.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

constexpr size_t kBytes = 512 << 10;
constexpr double kSeconds = 30;  // far above what a slow machine with sanitizers needs, far below n squared

std::string repeated(const std::string& unit) {
  std::string text;
  while (text.size() < kBytes) text += unit;
  return text;
}

void in_time(const std::string& what, const std::function<void()>& work) {
  CAPTURE(what);
  const auto start = std::chrono::steady_clock::now();
  work();
  CHECK(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < kSeconds);
}

}  // namespace

TEST_CASE("half a MiB of one thing") {
  const std::vector<TokenizerCase> cases = tokenizer_cases();
  for (const TokenizerCase& c : {cases[1], cases[2]}) {  // one of each kind
    CAPTURE(c.name);
    const auto tokenizer = c.open();
    for (const std::string& unit : {std::string("a"), std::string(" "), std::string("\n"), std::string("\xE2\x96\x81"),
                                    std::string("<s>"), std::string("the "), std::string("<|eot_id|>"), std::string("\0", 1),
                                    std::string("\xF0\x9F\x98\x80"), std::string("<|eot"), std::string("'s"), std::string("ab")}) {
      in_time(in_quotes(unit), [&] {
        const std::string text = repeated(unit);
        const std::vector<int32_t> ids = tokenizer->encode(text, true);
        const std::string back = tokenizer->decode(ids, false);
        if (c.spec.kind == TokenizerSpec::Kind::bpe_json) CHECK(back == "<|begin_of_text|>" + text);
        CHECK(ids.size() > 1000);
      });
    }
  }
}

TEST_CASE("half a MiB of combining marks in the wrong order") {
  in_time("marks", [] {
    const UnicodeNormalizer nfc(UnicodeNormalizer::Form::nfc);
    const std::string text = repeated("\xCC\x81\xCC\xA3");  // U+0301 (class 230), U+0323 (class 220)
    const std::string sorted = nfc.normalize("a" + text);
    REQUIRE(sorted.size() == text.size() + 1);
    CHECK(sorted.substr(0, 5) == "\xE1\xBA\xA1\xCC\xA3");  // U+1EA1: the first U+0323 joined the letter
    CHECK(sorted.substr(sorted.size() - 4) == "\xCC\x81\xCC\x81");
  });
}

TEST_CASE("the trie finds the leftmost, then longest") {
  TokenTrie trie;
  CHECK(trie.empty());
  int32_t value = 0;
  for (const char* content : {"ab", "abcd", "bc", "cde", ""}) trie.add(content, value++);
  const auto found = [&](const char* text, size_t from) {
    const auto match = trie.find(text, from);
    return match ? join(match->begin, "-", match->end, ":", match->value) : std::string("none");
  };
  CHECK(found("xabcx", 0) == "1-3:0");
  CHECK(found("xabcdx", 0) == "1-5:1");
  CHECK(found("xabcde", 2) == "2-4:2");
  CHECK(found("xab", 2) == "none");
  CHECK(found("", 0) == "none");
}

TEST_CASE("several threads share a tokenizer") {
  for (const TokenizerCase& c : tokenizer_cases()) {
    const auto tokenizer = c.open();
    const Json vectors = c.vectors();
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (const Json& vector : vectors) {
          const auto ids = vector.at("ids").get<std::vector<int32_t>>();
          if (tokenizer->encode(vector.at("text").get<std::string>(), true) != ids) ++wrong;
          if (tokenizer->decode(ids, true) != vector.at("decoded").get<std::string>()) ++wrong;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
  }
}
