// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "common/error.h"
#include "session/sampler.h"

namespace vila {

StopMatcher::Pattern::Pattern(std::string stop) : text(std::move(stop)), border(text.size() + 1, 0) {
  size_t length = 0;
  for (size_t i = 1; i < text.size(); ++i) {
    while (length > 0 && text[i] != text[length]) length = border[length];
    if (text[i] == text[length]) ++length;
    border[i + 1] = length;
  }
}

bool StopMatcher::Pattern::advance(char byte) {
  while (matched > 0 && text[matched] != byte) matched = border[matched];
  if (text[matched] == byte) ++matched;
  return matched == text.size();
}

StopMatcher::StopMatcher(std::vector<std::string> stops) {
  for (std::string& stop : stops) {
    if (stop.empty()) fail(ErrorCode::invalid_argument, "stop string ", patterns_.size(), " is empty, expected at least one character");
    patterns_.emplace_back(std::move(stop));
  }
}

std::string StopMatcher::push(const std::string& text) {
  if (stopped_) return {};
  size_t at = held_.size();
  held_ += text;
  for (; at < held_.size(); ++at) {
    size_t complete = 0;
    for (Pattern& pattern : patterns_) {
      if (pattern.advance(held_[at])) complete = std::max(complete, pattern.text.size());
    }
    if (complete > 0) {
      stopped_ = true;
      std::string shown = held_.substr(0, at + 1 - complete);
      held_.clear();
      return shown;
    }
  }
  size_t keep = 0;
  for (const Pattern& pattern : patterns_) keep = std::max(keep, pattern.matched);
  std::string shown = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return shown;
}

std::string StopMatcher::finish() {
  for (Pattern& pattern : patterns_) pattern.matched = 0;
  return std::exchange(held_, {});
}

}  // namespace vila
