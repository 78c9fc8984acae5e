// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/normalizer.h"

#include <algorithm>
#include <array>

#include <utf8proc.h>

#include "common/error.h"
#include "tokenizer/unicode.h"

namespace vila {
namespace {

int combining_class(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

// The longest full compatibility decomposition of one character (U+FDFA) has 18.
constexpr size_t kMaxDecomposition = 32;

std::vector<utf8proc_int32_t> decompose(std::string_view text, bool compatibility) {
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0));
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size());
  std::array<utf8proc_int32_t, kMaxDecomposition> buffer{};
  for (size_t at = 0; at < text.size(); at += character_length(text, at)) {
    const auto c = static_cast<utf8proc_int32_t>(code_point_at(text, at));
    int boundary = 0;
    const auto count = utf8proc_decompose_char(c, buffer.data(), buffer.size(), options, &boundary);
    if (count < 0 || static_cast<size_t>(count) > buffer.size()) fail(ErrorCode::internal, "cannot decompose U+", std::hex, c);
    points.insert(points.end(), buffer.begin(), buffer.begin() + count);
  }
  return points;
}

// The Canonical Ordering Algorithm: stable sort of each run of combining marks.
void reorder(std::vector<utf8proc_int32_t>& points) {
  for (auto run = points.begin(); run != points.end();) {
    if (combining_class(*run) == 0) {
      ++run;
      continue;
    }
    const auto end = std::find_if(run, points.end(), [](utf8proc_int32_t c) { return combining_class(c) == 0; });
    std::stable_sort(run, end, [](utf8proc_int32_t a, utf8proc_int32_t b) { return combining_class(a) < combining_class(b); });
    run = end;
  }
}

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0x80U) != 0; });
}

}  // namespace

std::string UnicodeNormalizer::normalize(std::string_view text) const {
  if (is_ascii(text)) return std::string(text);
  std::vector<utf8proc_int32_t> points = decompose(text, form_ == Form::nfkc || form_ == Form::nfkd);
  reorder(points);
  if (form_ == Form::nfc || form_ == Form::nfkc) {
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    const auto count = utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()), options);
    if (count < 0) fail(ErrorCode::internal, "Unicode composition failed: ", utf8proc_errmsg(count));
    points.resize(static_cast<size_t>(count));
  }
  std::string result;
  result.reserve(text.size());
  for (const utf8proc_int32_t c : points) append_utf8(result, static_cast<char32_t>(c));
  return result;
}

std::string PrependNormalizer::normalize(std::string_view text) const {
  return text.empty() ? std::string() : prefix_ + std::string(text);
}

std::string ReplaceNormalizer::normalize(std::string_view text) const {
  std::string result;
  size_t done = 0;
  pattern_.for_each(text, [&](size_t begin, size_t end) {
    result.append(text.substr(done, begin - done)).append(content_);
    done = end;
  });
  return result.append(text.substr(done));
}

std::string NormalizerSequence::normalize(std::string_view text) const {
  std::string result(text);
  for (const auto& step : steps_) result = step->normalize(result);
  return result;
}

}  // namespace vila
