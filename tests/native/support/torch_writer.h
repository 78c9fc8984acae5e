// SPDX-License-Identifier: Apache-2.0
// Writes the files of torch.save, for tests of pickled checkpoints; and their parts, so that damaged ones can be put together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "support/checkpoint_writer.h"

namespace vila::testing {

/// The opcodes of a pickle, appended one by one. Nothing is checked.
class PickleWriter {
 public:
  explicit PickleWriter(int protocol = 2) { byte(0x80).byte(protocol); }
  PickleWriter& byte(int value);
  /// An opcode with its argument as it stands.
  PickleWriter& op(char opcode, const std::string& argument = "");
  PickleWriter& text(const std::string& text);  ///< BINUNICODE
  PickleWriter& integer(int64_t value);         ///< BININT1, BININT2, BININT or LONG1, the shortest
  PickleWriter& global(const std::string& module, const std::string& name);
  PickleWriter& sizes(const std::vector<int64_t>& values);  ///< a tuple of integers
  /// A storage: the persistent id of `elements` elements of torch.`type` ("FloatStorage") under `key`.
  PickleWriter& storage(const std::string& type, const std::string& key, int64_t elements);
  /// _rebuild_tensor_v2 of a storage as above.
  PickleWriter& tensor(const std::string& type, const std::string& key, int64_t elements, int64_t first,
                       const std::vector<int64_t>& shape, const std::vector<int64_t>& strides);
  /// Appends STOP.
  std::string finish() { return op('.').bytes_; }

 private:
  std::string bytes_;
};

/// Members, stored one behind the other as PyTorch does: contents at multiples of `alignment`, sizes behind them, a zip64 end.
std::string zip_archive(const std::vector<std::pair<std::string, std::string>>& members, uint64_t alignment = 64);

/// What torch.save makes of a dict of these tensors (F32, F16, BF16, F64, I64, I32, I16, I8, U8, BOOL), each with a storage of its
/// own; the archive is named "archive". `nested_under`: the dict is the one value, under this key, of another.
std::string torch_file(const std::vector<FileTensor>& tensors, const std::string& nested_under = "", uint64_t alignment = 64);
void write_torch_file(const std::filesystem::path& path, const std::vector<FileTensor>& tensors,
                      const std::string& nested_under = "", uint64_t alignment = 64);

/// The tensors of a safetensors file that write_checkpoint() wrote, or, of a folder, of all such files in it.
std::vector<FileTensor> written_tensors(const std::filesystem::path& path);
/// Turns the safetensors files of a folder, and their index, into pytorch_model*.bin with its own; `more` goes into a single file.
void store_as_torch(const std::filesystem::path& folder, uint64_t alignment = 64, const std::vector<FileTensor>& more = {});

}  // namespace vila::testing
