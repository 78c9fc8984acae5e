// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "common/dtype.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mapped_file.h"
#include "common/paging.h"
#include "common/rounding.h"
#include "common/utf8.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

TEST_CASE("an error carries its code in front of its message") {
  const Error error(ErrorCode::bad_file, "x: y");
  CHECK(std::string(error.what()) == "x: y");
  CHECK(std::string(error.coded()) == "4:x: y");
}

TEST_CASE("half floats: every one of the 65536 against its definition") {
  for (uint32_t v = 0; v < 65536; ++v) {
    const double sign = (v & 0x8000U) != 0 ? -1 : 1;
    const int exponent = static_cast<int>((v >> 10) & 31U);
    const double mantissa = v & 1023U;
    const float got = f16_to_f32(static_cast<uint16_t>(v));
    if (exponent == 31) {
      CHECK((mantissa == 0 ? std::isinf(got) : std::isnan(got)));
    } else {
      const double want = sign * (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
      CHECK(got == want);
      CHECK(std::signbit(got) == (sign < 0));
    }
  }
}

TEST_CASE("bfloat16: every one comes back, and between two neighbours the nearest is taken, ties to even") {
  for (uint32_t code = 0; code < 0x8000; ++code) {
    const float value = bf16_to_f32(static_cast<uint16_t>(code));
    if (std::isnan(value)) {
      CHECK(std::isnan(bf16_to_f32(to_bf16(value))));
      continue;
    }
    CHECK(to_bf16(value) == code);
    CHECK(to_bf16(-value) == (code | 0x8000U));
    if (code >= 0x7F7F) continue;
    const auto middle = std::bit_cast<float>(code << 16 | 0x8000U);
    CHECK(to_bf16(middle) == (code % 2 == 0 ? code : code + 1));
    CHECK(to_bf16(std::nextafter(middle, 0.0F)) == code);
    CHECK(to_bf16(std::nextafter(middle, INFINITY)) == code + 1);
  }
  CHECK(to_bf16(std::bit_cast<float>(0x7F7FFFFFU)) == 0x7F80);  // beyond the largest
  CHECK(std::isnan(bf16_to_f32(to_bf16(std::bit_cast<float>(0x7F800001U)))));
}

TEST_CASE("FP8 E4M3: every one against its definition, and between two neighbours the nearest, ties to even") {
  for (int code = 0; code < 0x7F; ++code) {
    const int exponent = code >> 3, mantissa = code & 7;
    const double wanted = exponent == 0 ? mantissa / 8.0 * std::pow(2.0, -6) : (1 + mantissa / 8.0) * std::pow(2.0, exponent - 7);
    const float value = f8e4m3_to_f32(static_cast<uint8_t>(code));
    CHECK(static_cast<double>(value) == wanted);
    CHECK(f8e4m3_to_f32(static_cast<uint8_t>(code | 0x80)) == -value);
    CHECK(to_f8e4m3(value) == code);
    CHECK(to_f8e4m3(-value) == (code | 0x80));
    if (code == 0x7E) continue;
    const float middle = (value + f8e4m3_to_f32(static_cast<uint8_t>(code + 1))) / 2;
    CHECK(to_f8e4m3(middle) == (code % 2 == 0 ? code : code + 1));
    CHECK(to_f8e4m3(std::nextafter(middle, 0.0F)) == code);
    CHECK(to_f8e4m3(std::nextafter(middle, INFINITY)) == code + 1);
  }
  CHECK(f8e4m3_to_f32(0x7E) == 448);
  for (const float large : {449.0F, 1e30F, INFINITY}) {
    CHECK(to_f8e4m3(large) == 0x7E);
    CHECK(to_f8e4m3(-large) == 0xFE);
  }
  CHECK(std::isnan(f8e4m3_to_f32(0x7F)));
  CHECK(std::isnan(f8e4m3_to_f32(to_f8e4m3(NAN))));
}

TEST_CASE("UTF-8: what is well formed, and what a decoder puts in place of the rest") {
  CHECK(invalid_utf8_offset("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80") == std::string_view::npos);
  CHECK(invalid_utf8_offset("ab\xC0\xAF") == 2);             // overlong
  CHECK(invalid_utf8_offset("\xED\xA0\x80") == 0);           // surrogate
  CHECK(invalid_utf8_offset("\xF4\x90\x80\x80") == 0);       // above U+10FFFF
  CHECK(invalid_utf8_offset("a\xE2\x82") == 1);              // cut short
  CHECK(replace_invalid_utf8("\xE2\x82" "A\xF0\x9F\x98") == "\xEF\xBF\xBD" "A\xEF\xBF\xBD");
  CHECK(replace_invalid_utf8("\x80\xC0\xAF") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(error_of([] { require_utf8("a\xFF", "text"); }) == "1:text: invalid UTF-8 at byte 1");
  // Fed byte by byte the result is the same, and no piece is ever part of a character.
  const std::string bytes = "h\xC3\xA9\xE2\x82\xAC\xE2\x82" "x\xF0\x9F\x98\x80\xFF\xF0\x9F";
  Utf8Stream stream;
  std::string text;
  for (const char c : bytes) {
    const std::string piece = stream.push(std::string(1, c));
    CHECK(invalid_utf8_offset(piece) == std::string_view::npos);
    text += piece;
  }
  CHECK(text + stream.finish() == replace_invalid_utf8(bytes));
}

TEST_CASE("JSON: messages name file, key, found and expected") {
  CHECK(error_of([] { parse_json("{\"a\": }", "f.json"); }) == "4:f.json: not valid JSON at byte 7");
  CHECK(error_of([] { parse_json(std::string(100, '[') + std::string(100, ']'), "f.json"); }) ==
        "4:f.json: JSON nested deeper than 64 levels");
  const JsonObject object(parse_json(R"({"n": 5, "s": "x", "o": {"k": null}, "f": 1.5, "l": [1, 2]})", "f.json"), "f.json");
  CHECK(object.integer("n", 0, 10) == 5);
  CHECK(object.string("s") == "x");
  CHECK(object.number("f", 0, 2) == 1.5);
  CHECK_FALSE(object.object("o").has("k"));
  CHECK(object.integer("missing", 0, 10, 7) == 7);
  CHECK(error_of([&] { object.integer("n", 6, 10); }) == "4:f.json: n is 5, expected an integer from 6 to 10");
  CHECK(error_of([&] { object.integer("s", 6, 10); }) == "4:f.json: s is \"x\", expected an integer from 6 to 10");
  CHECK(error_of([&] { object.object("o").string("k"); }) == "4:f.json: o: k is missing, expected a string");
  CHECK(error_of([&] { object.numbers("l", 3); }) == "4:f.json: l is [1,2], expected a list of 3 numbers");
}

TEST_CASE("paging: pages that are dropped leave memory, and are read again") {
  const TempDir dir;
  constexpr size_t kBytes = size_t{64} << 20;
  std::string content(kBytes, '\0');
  for (size_t i = 0; i < kBytes; i += 1000) content[i] = static_cast<char>(i >> 10);
  write_file(dir / "file", content);
  const auto file = MappedFile::open((dir / "file").string());
  const auto held = [] {  // of files, in bytes
    size_t total = 0, resident = 0, of_files = 0;
    std::ifstream("/proc/self/statm") >> total >> resident >> of_files;
    return of_files * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  };
  const auto same = [&] { return std::equal(content.begin(), content.end(), reinterpret_cast<const char*>(file->data())); };
  const size_t before = held();
  CHECK(same());
  CHECK(held() > before + kBytes / 2);
  drop_pages(file->data() + 1, kBytes - 1);
  CHECK(held() < before + kBytes / 2);
  CHECK(same());
  drop_pages(file->data(), 0);
  CHECK(held() > before + kBytes / 2);
}

TEST_CASE("files: mapped and read, with errors that name them") {
  const TempDir dir;
  write_file(dir / "a", "hello");
  write_file(dir / "empty", "");
  const std::string a = (dir / "a").string();
  const auto file = MappedFile::open(a);
  CHECK(std::string(reinterpret_cast<const char*>(file->data()), file->size()) == "hello");
  CHECK(MappedFile::open((dir / "empty").string())->size() == 0);
  CHECK(read_file(a, 5) == "hello");
  CHECK(error_of([&] { read_file(a, 4); }) == "6:" + a + ": 5 bytes, at most 4 are accepted");
  CHECK(error_of([&] { MappedFile::open(a + "x"); }) == "2:" + a + "x: No such file or directory");
  CHECK(error_of([&] { MappedFile::open(dir.path().string()); }) == "3:" + dir.path().string() + ": not a regular file");
}

TEST_CASE("hashes: stable, and strings do not run into each other") {
  CHECK(Hasher().text("ab").text("c").finish().hex() != Hasher().text("a").text("bc").finish().hex());
  CHECK(Hasher().finish().hex() == "99aa06d3014798d86001c324468d497f");  // XXH3-128 of nothing
}

TEST_CASE("log lines reach the listener from its level on") {
  struct Lines : LogListener {
    std::string text;
    void on_log(LogLevel, const std::string& message) override { text += message + ";"; }
  } lines;
  set_log_listener(&lines, LogLevel::info);
  log(LogLevel::debug, "no");
  log(LogLevel::warn, "yes ", 1);
  set_log_listener(nullptr, LogLevel::info);
  log(LogLevel::error, "no");
  CHECK(lines.text == "yes 1;");
}
