// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/regex.h"

#include <algorithm>
#include <new>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/error.h"
#include "tokenizer/unicode.h"

namespace vila {
namespace {

constexpr size_t kMaxPatternBytes = 64 << 10;
constexpr uint32_t kMaxNesting = 200;
constexpr uint32_t kMatchLimit = 10'000'000;  ///< per search, plus kMatchLimitPerByte for each byte of the text
constexpr uint32_t kMatchLimitPerByte = 16;
constexpr uint32_t kHeapLimitKib = 256 << 10;

// Oniguruma's word characters: Alphabetic, Mark, Decimal_Number, Connector_Punctuation and six numerals of Latin-1.
constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";

// Rewrites what PCRE2 reads otherwise than Oniguruma's Ruby syntax does.
class Translator {
 public:
  Translator(std::string_view pattern, const std::string& name) : pattern_(pattern), name_(name) {}

  std::string translate() {
    while (at_ < pattern_.size()) step();
    return std::move(result_);
  }

 private:
  [[noreturn]] void unsupported(std::string_view what) const {
    fail(ErrorCode::unsupported, name_, ": pattern uses ", what, " at byte ", at_, ", which this version does not support");
  }

  void copy(size_t count) {
    result_.append(pattern_.substr(at_, count));
    at_ += count;
  }

  void step() {
    const char c = pattern_[at_];
    if (c == '\\') {
      escape();
    } else if (in_class_) {
      if (c == '[') unsupported("a class inside a class");
      if (pattern_.substr(at_, 2) == "&&") unsupported("an intersection of classes");
      if (c == ']' && at_ > class_start_) in_class_ = false;
      copy(1);
    } else if (c == '[') {
      in_class_ = true;
      copy(pattern_.substr(at_, 2) == "[^" ? 2 : 1);
      class_start_ = at_;
    } else if (c == '{') {
      interval();
    } else {
      copy(1);
    }
  }

  // In Ruby "{1,3}+" repeats the interval; in PCRE2 it is possessive.
  void interval() {
    const size_t end = pattern_.find_first_not_of("0123456789,", at_ + 1);
    const bool repeated = end != std::string_view::npos && pattern_.substr(end, 2) == "}+";
    if (repeated) unsupported("an interval followed by +");
    copy(1);
  }

  void escape() {
    if (at_ + 1 >= pattern_.size()) return copy(1);
    const char c = pattern_[at_ + 1];
    const auto put = [this](std::string_view text) {
      result_.append(text);
      at_ += 2;
    };
    switch (c) {
      case 's': return put("\\p{White_Space}");
      case 'S': return put("\\P{White_Space}");
      case 'd': return put("\\p{Nd}");
      case 'D': return put("\\P{Nd}");
      case 'v': return put("\\x0B");
      case 'w': return put(in_class_ ? std::string(kWord) : "[" + std::string(kWord) + "]");
      case 'W':
        if (in_class_) unsupported("\\W in a class");
        return put("[^" + std::string(kWord) + "]");
      case 'u': {
        const std::string_view digits = pattern_.substr(at_ + 2, 4);
        if (digits.size() < 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) unsupported("\\u");
        put("\\x{");
        result_.append(digits).append("}");
        at_ += 4;
        return;
      }
      case 'p':
      case 'P':
      case 'r':
      case 'n':
      case 't':
      case 'f':
      case 'a':
      case 'e':
      case 'x':
      case 'A':
      case 'z':
      case 'Z': return copy(2);
      default:
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) unsupported(std::string("\\") + c);
        copy(2);
    }
  }

  std::string_view pattern_;
  const std::string& name_;
  std::string result_;
  size_t at_ = 0, class_start_ = 0;
  bool in_class_ = false;
};

template <typename T, void (*release)(T*)>
struct Release {
  void operator()(T* value) const { release(value); }
};
using CompileContext = std::unique_ptr<pcre2_compile_context, Release<pcre2_compile_context, pcre2_compile_context_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Release<pcre2_match_context, pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Release<pcre2_match_data, pcre2_match_data_free>>;

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  return pcre2_get_error_message(code, text, sizeof text) > 0 ? reinterpret_cast<const char*>(text) : "unknown error";
}

}  // namespace

struct Regex::Code {
  explicit Code(pcre2_code* c) : code(c) {}
  ~Code() { pcre2_code_free(code); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  pcre2_code* code;
};

Regex::Regex(const std::string& pattern, const std::string& name) : name_(name) {
  if (pattern.size() > kMaxPatternBytes) {
    fail(ErrorCode::bad_file, name, ": pattern has ", pattern.size(), " bytes, expected at most ", kMaxPatternBytes);
  }
  const std::string translated = Translator(pattern, name).translate();
  const CompileContext context(pcre2_compile_context_create(nullptr));
  if (context == nullptr) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), kMaxNesting);
  int error = 0;
  size_t offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, context.get());
  if (code == nullptr) {
    fail(ErrorCode::bad_file, name, ": pattern ", in_quotes(pattern), " does not compile: ", message_of(error));
  }
  code_ = std::make_shared<const Code>(code);
}

void Regex::for_each(std::string_view text, const std::function<void(size_t, size_t)>& found) const {
  const MatchData data(pcre2_match_data_create_from_pattern(code_->code, nullptr));
  const MatchContext context(pcre2_match_context_create(nullptr));
  if (data == nullptr || context == nullptr) throw std::bad_alloc();
  const uint64_t limit = kMatchLimit + uint64_t{kMatchLimitPerByte} * text.size();
  pcre2_set_match_limit(context.get(), static_cast<uint32_t>(std::min<uint64_t>(limit, UINT32_MAX)));
  pcre2_set_heap_limit(context.get(), kHeapLimitKib);
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  size_t at = 0;
  size_t last_end = std::string_view::npos;
  while (at <= text.size()) {
    const int count = pcre2_match(code_->code, subject, text.size(), at, PCRE2_NO_UTF_CHECK, data.get(), context.get());
    if (count == PCRE2_ERROR_NOMATCH) return;
    if (count < 0) {
      fail(ErrorCode::capacity, name_, ": pattern gives up on a text of ", text.size(), " bytes: ", message_of(count));
    }
    const size_t* range = pcre2_get_ovector_pointer(data.get());
    const size_t begin = range[0], end = range[1];
    if (begin > end) fail(ErrorCode::unsupported, name_, ": pattern moves the start of its match behind its end");
    if (begin < end || end != last_end) found(begin, end);
    last_end = end;
    at = begin < end ? end : end < text.size() ? end + character_length(text, end) : end + 1;
  }
}

std::string escape_regex(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}-&#").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace vila
