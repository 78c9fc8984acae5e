// SPDX-License-Identifier: Apache-2.0
// Safetensors headers, and shard indexes: whatever the bytes, every tensor that is accepted lies inside its file.
#include "checkpoint/safetensors.h"

#include <cstdlib>
#include <memory>

#include "checkpoint/checkpoint.h"
#include "fuzz/fuzz.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"

namespace {

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

/// Keeps the reads below from being optimised away.
volatile uint8_t sink = 0;

/// A copy that ends with its allocation, so that a sanitizer sees a read behind it.
void read_header(const std::string& input) {
  const std::unique_ptr<uint8_t[]> bytes(new uint8_t[input.size()]);
  std::copy(input.begin(), input.end(), bytes.get());
  uint64_t covered = 0;
  for (const TensorEntry& entry : read_safetensors_header(bytes.get(), input.size(), "input")) {
    for (uint64_t i = 0; i < entry.bytes; ++i) sink = static_cast<uint8_t>(sink + bytes[entry.offset + i]);
    covered += entry.bytes;
    uint64_t elements = 1;
    for (const int64_t dim : entry.shape) elements *= static_cast<uint64_t>(dim);
    if (entry.dtype && elements * size_of(*entry.dtype) != entry.bytes) throw std::runtime_error("shape and bytes disagree");
  }
  if (covered > input.size()) throw std::runtime_error("tensors cover more than the file");
}

void read_index(const std::string& input, const std::filesystem::path& folder) {
  write_file(folder / "model.safetensors.index.json", input);
  TensorStore store;
  store.add_folder(folder.string());
  for (const auto& [name, tensor] : store.all()) {
    if (store.get(name, tensor.shape).to_float().size() != 2) throw std::runtime_error("not the written tensor");
  }
}

std::string file_of(const std::vector<FileTensor>& tensors, const TempDir& dir) {
  write_safetensors(dir / "seed", tensors);
  return fuzz::read_seed((dir / "seed").string());
}

}  // namespace

int main() {
  const TempDir dir, shards;
  for (const char* name : {"a", "b"}) {
    write_safetensors(shards / (std::string(name) + ".safetensors"), {float_tensor(name, DType::f32, {2}, {1, 2})});
  }
  const std::vector<std::string> seeds = {
      file_of({}, dir),
      file_of({float_tensor("x", DType::f32, {2, 3}, {1, 2, 3, 4, 5, 6})}, dir),
      file_of({float_tensor("x", DType::bf16, {2}, {1, 2}),
               {"empty", "F32", {0, 7}, ""},
               float_tensor("y", DType::f16, {1, 1}, {3}),
               {"wide", "F64", {1}, std::string(8, '\0')},
               {"flag", "BOOL", {3}, "abc"}},
              dir),
      fuzz::read_seed((data("cases/vila15-llama3-siglip/model/mm_projector/model.safetensors")).string()),
      R"({"metadata":{"total_size":16},"weight_map":{"a":"a.safetensors","b":"b.safetensors"}})",
  };
  const std::vector<std::string> tokens = {"\"shape\":[",
                                           "\"data_offsets\":[",
                                           "[0,0]",
                                           "[]",
                                           "\"F64\"",
                                           "\"BF16\"",
                                           "\"F4\"",
                                           "18446744073709551615",
                                           "9223372036854775807",
                                           "4294967296",
                                           "-1",
                                           "1e3",
                                           "0",
                                           "__metadata__",
                                           "null",
                                           "../",
                                           "b.safetensors",
                                           "\\u0000"};
  return fuzz::run("safetensors", seeds, tokens, [&shards](const std::string& input) {
    input.starts_with('{') ? read_index(input, shards.path()) : read_header(input);
  });
}
