// SPDX-License-Identifier: Apache-2.0
// A checkpoint folder: its ModelSpec and its tensors, mapped and not copied.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/description.h"
#include "checkpoint/model_spec.h"
#include "checkpoint/needed_tensors.h"
#include "common/live_count.h"
#include "common/mapped_file.h"
#include "vila/vila.h"

namespace vila {

/// One tensor inside a mapped file. Bounds are checked when it is made: data .. data+bytes lies in the file.
struct TensorRef {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  std::shared_ptr<const MappedFile> file;
  uint64_t offset = 0;              ///< of the first byte, from the start of the file
  uint64_t bytes = 0;               ///< product of shape times size_of(dtype)
  const uint8_t* data() const { return file->data() + offset; }
  int64_t elements() const;
  /// A float copy of f32, f16 or bf16 data.
  std::vector<float> to_float() const;
};

/// The tensors of one or more safetensors or PyTorch files (torch.save, as state dicts). Throws bad_file (with file, tensor, found,
/// expected) or unsupported as read_safetensors_header() and read_torch_file() do, and for the same name in two shards. A call that
/// throws may leave tensors behind: drop the store then.
class TensorStore {
 public:
  /// Opens one file; its first bytes, not its name, tell the format. Throws unsupported for what PyTorch wrote before 1.6.
  void add_file(const std::string& path);
  /// Opens the files of find_weight_files(), each of which must hold what the index says; throws not_found when there are none
  /// or a shard is absent. Logs one line where a .pt file stands in for the shards of an index. Where problems are gathered
  /// (common/problems.h) every absent or damaged shard is one, and what the index says it holds is promised().
  void add_folder(const std::string& folder);
  /// Adds the description of a tensor that is not written yet; its place must not be read.
  void add_outline(const TensorRef& tensor) { tensors_.insert_or_assign(tensor.name, tensor); }
  /// Also true for a tensor whose type vila4j does not read.
  bool contains(const std::string& name) const;
  /// Whether an index places the tensor in a shard that could not be read. Only where problems are gathered.
  bool promised(const std::string& name) const { return promised_.contains(name); }
  /// Throws bad_file naming the tensor and the files searched; unsupported for a type such as F64 or F8_E4M3.
  const TensorRef& get(const std::string& name) const;
  /// The same and checks the shape: "<file>: tensor <name> has shape [..], expected [..]".
  const TensorRef& get(const std::string& name, const std::vector<int64_t>& shape) const;
  /// Every tensor of a type that vila4j reads, by name.
  const std::map<std::string, TensorRef>& all() const { return tensors_; }
  /// The files opened so far, as named (symbolic links not resolved).
  const std::vector<std::string>& files() const { return files_; }

 private:
  /// A tensor of the format whose type vila4j does not read.
  struct Unreadable {
    std::string dtype, path;
  };
  /// Reads one file; returns the names of its tensors.
  std::vector<std::string> add(const std::string& path);

  std::map<std::string, TensorRef> tensors_;
  std::map<std::string, Unreadable> unreadable_;
  std::set<std::string> promised_;
  std::vector<std::string> files_;
};

/// Reads only configuration files: fast, touches no weights. Throws not_found, bad_file, unsupported naming file and key.
ModelSpec read_model_spec(const std::string& folder);
/// Where the tokenizer of a checkpoint (or bare tokenizer folder) lies.
TokenizerSpec find_tokenizer(const std::string& folder);

/// An opened checkpoint. Immutable; any thread.
class Checkpoint {
 public:
  /// Reads the spec, maps every file, finds how linear layers are packed and checks that each tensor the spec needs is there with
  /// its shape and type.
  static std::shared_ptr<const Checkpoint> open(const std::string& folder);
  /// The same of a folder that need not be a whole checkpoint: everything that open() could object to is put into `problems`, in
  /// words, and what could be read is there. Without a problem the result is what open() returns. Never throws for the folder's
  /// content.
  static std::shared_ptr<const Checkpoint> survey(const std::string& folder, std::vector<std::string>& problems);

  const ModelSpec& spec() const { return description_.spec; }
  /// What of the spec is known; all of it after open().
  const CheckpointDescription& description() const { return description_; }
  const TensorStore& language() const { return language_; }
  const TensorStore& vision() const { return vision_; }
  const TensorStore& projector() const { return projector_; }
  /// One of the three.
  const TensorStore& store(ModelPart part) const;
  /// Bytes of the tensors the spec needs.
  uint64_t weight_bytes() const;
  /// Number of parameters the spec needs; a packed weight counts as one.
  int64_t parameters() const;
  /// What the tensors of one part amount to.
  const PartSize& size(ModelPart part) const { return sizes_[static_cast<size_t>(part)]; }
  /// Identifies the model without reading all of it: what the spec says of language model, tower and projector, and of each needed
  /// tensor its name, type, shape, offset, the real path, size and modification time of its file (plans point into that file),
  /// and a sample of the bytes. 32 hex digits, for plan fingerprints.
  std::string fingerprint() const;

 private:
  Checkpoint() = default;
  /// Reads everything; throws at the first problem unless problems are gathered.
  void read(const std::string& folder);
  void open_stores();
  void check_tensors(ModelPart part);

  CheckpointDescription description_;
  TensorStore language_, vision_, projector_;
  std::array<PartSize, 3> sizes_;
  LiveCount<LiveType::checkpoint> live_;
};

}  // namespace vila
