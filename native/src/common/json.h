// SPDX-License-Identifier: Apache-2.0
// JSON files with errors that name file, key, what was found and what was expected. No nlohmann exception leaves this header.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/error.h"

namespace vila {

using Json = nlohmann::json;

/// Parses UTF-8 JSON; nesting deeper than 64 and any syntax error throw bad_file with `name` and the byte offset.
Json parse_json(const std::string& text, const std::string& name);
/// Reads and parses a file of at most 64 MiB.
Json read_json(const std::string& path);

/// A JSON object together with the name of where it came from ("DIR/config.json", "DIR/config.json: llm_cfg").
class JsonObject {
 public:
  /// Throws bad_file unless `value` is an object.
  JsonObject(Json value, std::string name);
  static JsonObject read(const std::string& path) { return JsonObject(read_json(path), path); }

  const std::string& name() const { return name_; }
  const Json& value() const { return value_; }
  /// Present and not null.
  bool has(const char* key) const;
  /// Required values. A missing key or another type throws bad_file: "<name>: <key> is <found>, expected <expected>".
  std::string string(const char* key) const;
  int64_t integer(const char* key, int64_t low, int64_t high) const;  ///< inclusive bounds
  double number(const char* key, double low, double high) const;
  bool boolean(const char* key) const;
  JsonObject object(const char* key) const;
  std::vector<double> numbers(const char* key, size_t count) const;   ///< exactly `count`
  /// The same where absent or null gives the fallback.
  std::string string(const char* key, const std::string& fallback) const;
  int64_t integer(const char* key, int64_t low, int64_t high, int64_t fallback) const;
  double number(const char* key, double low, double high, double fallback) const;
  bool boolean(const char* key, bool fallback) const;

 private:
  Json value_;
  std::string name_;
};

}  // namespace vila
