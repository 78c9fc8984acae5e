// SPDX-License-Identifier: Apache-2.0
#include "common/json.h"

#include <cmath>

#include "common/mapped_file.h"

namespace vila {
namespace {

constexpr int kMaxDepth = 64;
constexpr uint64_t kMaxBytes = 64ULL << 20;

std::string found(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace

Json parse_json(const std::string& text, const std::string& name) {
  bool too_deep = false;
  const Json::parser_callback_t depth_check = [&too_deep](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) too_deep = true;
    return !too_deep;
  };
  try {
    Json value = Json::parse(text, depth_check);
    if (too_deep) fail(ErrorCode::bad_file, name, ": JSON nested deeper than ", kMaxDepth, " levels");
    return value;
  } catch (const nlohmann::json::parse_error& error) {
    fail(ErrorCode::bad_file, name, ": not valid JSON at byte ", error.byte);
  } catch (const nlohmann::json::exception&) {
    fail(ErrorCode::bad_file, name, ": not valid JSON");
  }
}

Json read_json(const std::string& path) { return parse_json(read_file(path, kMaxBytes), path); }

JsonObject::JsonObject(Json value, std::string name) : value_(std::move(value)), name_(std::move(name)) {
  if (!value_.is_object()) fail(ErrorCode::bad_file, name_, ": is ", found(value_), ", expected an object");
}

bool JsonObject::has(const char* key) const {
  const auto it = value_.find(key);
  return it != value_.end() && !it->is_null();
}

namespace {

const Json& require(const JsonObject& object, const char* key, const std::string& expected) {
  if (!object.has(key)) fail(ErrorCode::bad_file, object.name(), ": ", key, " is missing, expected ", expected);
  return *object.value().find(key);
}

[[noreturn]] void wrong(const JsonObject& object, const char* key, const Json& value, const std::string& expected) {
  fail(ErrorCode::bad_file, object.name(), ": ", key, " is ", found(value), ", expected ", expected);
}

}  // namespace

std::string JsonObject::string(const char* key) const {
  const Json& value = require(*this, key, "a string");
  if (!value.is_string()) wrong(*this, key, value, "a string");
  return value.get<std::string>();
}

int64_t JsonObject::integer(const char* key, int64_t low, int64_t high) const {
  const std::string expected = join("an integer from ", low, " to ", high);
  const Json& value = require(*this, key, expected);
  if (value.is_number_unsigned()) {
    const uint64_t v = value.get<uint64_t>();
    if (high < 0 || v > static_cast<uint64_t>(high) || (low > 0 && v < static_cast<uint64_t>(low))) wrong(*this, key, value, expected);
    return static_cast<int64_t>(v);
  }
  if (!value.is_number_integer()) wrong(*this, key, value, expected);
  const int64_t v = value.get<int64_t>();
  if (v < low || v > high) wrong(*this, key, value, expected);
  return v;
}

double JsonObject::number(const char* key, double low, double high) const {
  const std::string expected = join("a number from ", low, " to ", high);
  const Json& value = require(*this, key, expected);
  if (!value.is_number()) wrong(*this, key, value, expected);
  const double v = value.get<double>();
  if (!std::isfinite(v) || v < low || v > high) wrong(*this, key, value, expected);
  return v;
}

bool JsonObject::boolean(const char* key) const {
  const Json& value = require(*this, key, "true or false");
  if (!value.is_boolean()) wrong(*this, key, value, "true or false");
  return value.get<bool>();
}

JsonObject JsonObject::object(const char* key) const {
  const Json& value = require(*this, key, "an object");
  if (!value.is_object()) wrong(*this, key, value, "an object");
  return JsonObject(value, name_ + ": " + key);
}

std::vector<double> JsonObject::numbers(const char* key, size_t count) const {
  const std::string expected = join("a list of ", count, " numbers");
  const Json& value = require(*this, key, expected);
  if (!value.is_array() || value.size() != count) wrong(*this, key, value, expected);
  std::vector<double> numbers;
  for (const Json& item : value) {
    if (!item.is_number() || !std::isfinite(item.get<double>())) wrong(*this, key, value, expected);
    numbers.push_back(item.get<double>());
  }
  return numbers;
}

std::string JsonObject::string(const char* key, const std::string& fallback) const { return has(key) ? string(key) : fallback; }
int64_t JsonObject::integer(const char* key, int64_t low, int64_t high, int64_t fallback) const {
  return has(key) ? integer(key, low, high) : fallback;
}
double JsonObject::number(const char* key, double low, double high, double fallback) const {
  return has(key) ? number(key, low, high) : fallback;
}
bool JsonObject::boolean(const char* key, bool fallback) const { return has(key) ? boolean(key) : fallback; }

}  // namespace vila
