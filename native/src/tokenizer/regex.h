// SPDX-License-Identifier: Apache-2.0
// Regular expressions of tokenizer files, which are written for Oniguruma (Ruby syntax), run by PCRE2.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace vila {

/// A compiled pattern. Immutable; any thread.
class Regex {
 public:
  /// Throws bad_file where the pattern does not compile and unsupported where it uses syntax whose meaning differs between the
  /// two engines; `name` says where the pattern stands.
  Regex(const std::string& pattern, const std::string& name);

  /// Calls `found(begin, end)` for each match in well-formed UTF-8, from left to right without overlap; matches may be empty.
  /// Throws capacity where matching takes more than a bounded effort.
  void for_each(std::string_view text, const std::function<void(size_t begin, size_t end)>& found) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
  std::string name_;
};

/// `text` with every character escaped that means something in a pattern.
std::string escape_regex(std::string_view text);

}  // namespace vila
