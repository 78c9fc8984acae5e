// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/sentencepiece_check.h"

#include <cstdint>
#include <cstring>
#include <functional>

#include "common/error.h"

namespace vila {
namespace {

// Field numbers of sentencepiece_model.proto.
constexpr uint64_t kNormalizerSpec = 3, kDenormalizerSpec = 5;  // of ModelProto
constexpr uint64_t kPrecompiledCharsmap = 2;                    // of NormalizerSpec

// The fields of one protobuf message.
class Fields {
 public:
  Fields(std::string_view message, const std::string& name) : message_(message), name_(name) {}

  /// Calls `found` with the number and content of each length-delimited field; skips the others.
  void for_each(const std::function<void(uint64_t field, std::string_view content)>& found) {
    while (at_ < message_.size()) {
      const uint64_t tag = varint();
      switch (tag & 7U) {
        case 0: varint(); break;
        case 1: take(8); break;
        case 2: found(tag >> 3, take(varint())); break;
        case 5: take(4); break;
        default: damaged();
      }
    }
  }

 private:
  [[noreturn]] void damaged() const {
    fail(ErrorCode::bad_file, name_, ": no SentencePiece model: a field at byte ", at_, " of ", message_.size(), " is damaged");
  }

  std::string_view take(uint64_t size) {
    if (size > message_.size() - at_) damaged();
    const std::string_view content = message_.substr(at_, size);
    at_ += size;
    return content;
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return value;
    }
    damaged();
  }

  std::string_view message_;
  const std::string& name_;
  size_t at_ = 0;
};

// A unit of a Darts-clone double array.
struct Unit {
  uint32_t bits = 0;
  bool is_leaf() const { return (bits >> 31) != 0; }
  bool has_leaf() const { return ((bits >> 8) & 1U) != 0; }
  uint32_t value() const { return bits & 0x7FFFFFFFU; }
  uint32_t offset() const { return (bits >> 10) << ((bits & (1U << 9)) >> 6); }
};

// A character map: the trie's size in bytes, the trie, then strings that end in 0; the trie's values are offsets of strings.
void check_charsmap(std::string_view map, const std::string& name) {
  if (map.empty()) return;
  const auto damaged = [&name](const char* what) { fail(ErrorCode::bad_file, name, ": the character map is damaged: ", what); };
  uint32_t trie_bytes = 0;
  if (map.size() < sizeof trie_bytes) damaged("it is too short");
  std::memcpy(&trie_bytes, map.data(), sizeof trie_bytes);
  map.remove_prefix(sizeof trie_bytes);
  // A step changes the low byte of a unit's number: with whole blocks of 256 units it stays inside if the block is.
  constexpr uint32_t kBlock = 256 * sizeof(Unit);
  if (trie_bytes == 0 || trie_bytes >= map.size() || trie_bytes % kBlock != 0) damaged("its trie has an impossible size");
  const std::string_view strings = map.substr(trie_bytes);
  if (strings.back() != '\0') damaged("its last string does not end");
  const uint32_t units = static_cast<uint32_t>(trie_bytes / sizeof(Unit));
  const auto unit_at = [&map](uint32_t index) {
    Unit unit;
    std::memcpy(&unit.bits, map.data() + size_t{index} * sizeof unit.bits, sizeof unit.bits);
    return unit;
  };
  for (uint32_t i = 0; i < units; ++i) {
    const Unit unit = unit_at(i);
    if (unit.is_leaf() && i != 0) continue;  // walks begin at unit 0, whatever it is
    const uint32_t next = i ^ unit.offset();
    if (next >= units) damaged("its trie leads outside");
    if (unit.has_leaf() && unit_at(next).value() >= strings.size()) damaged("its trie names no string");
  }
}

}  // namespace

void check_sentencepiece_model(std::string_view model, const std::string& name) {
  Fields(model, name).for_each([&name](uint64_t field, std::string_view content) {
    if (field != kNormalizerSpec && field != kDenormalizerSpec) return;
    Fields(content, name).for_each([&](uint64_t inner, std::string_view map) {
      if (inner != kPrecompiledCharsmap) return;
      if (field == kDenormalizerSpec && !map.empty()) fail(ErrorCode::unsupported, name, ": a denormalizer is not supported");
      check_charsmap(map, name);
    });
  });
}

}  // namespace vila
