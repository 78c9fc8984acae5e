// SPDX-License-Identifier: Apache-2.0
#include "graph/weights_file.h"

#include "common/error.h"

namespace vila::graph {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr uint64_t kChecksumBytes = 16;

uint64_t padding_after(uint64_t size) { return (kAlignment - size % kAlignment) % kAlignment; }

}  // namespace

void WeightsHeader::entry(const std::string& name, const char* dtype, const std::vector<int64_t>& shape, uint64_t bytes) {
  json_[name] = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {end_, end_ + bytes}}};
  end_ += bytes;
}

void WeightsHeader::add(const std::string& name, const char* dtype, const std::vector<int64_t>& shape, uint64_t bytes) {
  entry(name, dtype, shape, bytes);
  if (const uint64_t rest = padding_after(bytes); rest > 0) {
    entry(join("padding.", paddings_++), "U8", {static_cast<int64_t>(rest)}, rest);
  }
}

std::string WeightsHeader::finish() {
  entry("checksum", "U8", {kChecksumBytes}, kChecksumBytes);
  std::string text = json_.dump();
  text.append(padding_after(sizeof(uint64_t) + text.size()), ' ');
  std::string bytes;
  for (size_t i = 0; i < sizeof(uint64_t); ++i) bytes += static_cast<char>(text.size() >> (8 * i) & 0xFF);
  return bytes + text;
}

void write_aligned(const WriteBytes& write, const void* data, size_t size) {
  constexpr uint8_t kZeros[kAlignment] = {};
  write(data, size);
  write(kZeros, padding_after(size));
}

}  // namespace vila::graph
