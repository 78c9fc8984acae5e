// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/checkpoint.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "checkpoint/config_readers.h"
#include "checkpoint/needed_tensors.h"
#include "checkpoint/packing.h"
#include "checkpoint/tensor_names.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/problems.h"

namespace vila {
namespace {

bool is_float(DType t) { return t == DType::f32 || t == DType::f16 || t == DType::bf16; }

/// What stands against the tensors of one part, in as few words as name them all: a model has the same trouble in every layer.
class TensorProblems {
 public:
  /// Runs `check` of a tensor. Its Error leaves at once unless problems are gathered.
  template <typename Check>
  void attempt(const std::string& tensor, const Check& check) {
    try {
      check();
    } catch (const Error& error) {
      if (Problems::current() == nullptr) throw;
      const std::string message = error.what(), pattern = pattern_of(tensor);
      std::string key = message;
      if (const size_t at = key.find(tensor); at != std::string::npos) key.replace(at, tensor.size(), pattern);
      const auto [it, is_new] = groups_.try_emplace(key, order_.size());
      if (is_new) order_.push_back({message, pattern, 0});
      ++order_[it->second].count;
    }
  }

  void report() const {
    for (const Group& group : order_) {
      if (group.count == 1) {
        Problems::current()->add(group.first);
      } else {
        Problems::current()->add(join(group.first, " (and ", group.count - 1, " more of ", group.pattern, ")"));
      }
    }
  }

 private:
  struct Group {
    std::string first, pattern;
    int64_t count;
  };

  /// The name with * for each number between dots.
  static std::string pattern_of(const std::string& name) {
    std::string pattern;
    for (size_t at = 0; at <= name.size();) {
      const size_t end = std::min(name.find('.', at), name.size());
      const std::string word = name.substr(at, end - at);
      const bool number = !word.empty() && word.find_first_not_of("0123456789") == std::string::npos;
      pattern += (at == 0 ? "" : ".") + (number ? "*" : word);
      at = end + 1;
    }
    return pattern;
  }

  std::vector<Group> order_;
  std::map<std::string, size_t> groups_;  ///< message with the pattern for the name, to its place in order_
};

void hash_spec(Hasher& hasher, const LanguageSpec& s) {
  hasher.text(s.model_type).text(s.prefix).text(s.head_prefix);
  for (const int64_t v :
       {s.hidden, s.layers, s.heads, s.kv_heads, s.head_dim, s.intermediate, s.vocab, s.max_positions,
        static_cast<int64_t>(s.tied_head), static_cast<int64_t>(s.qkv_bias), static_cast<int64_t>(s.packing), s.packing_group}) {
    hasher.number(v);
  }
  hasher.real(s.rope_theta).real(s.rope_scale).real(s.rms_eps);
}

void hash_spec(Hasher& hasher, const VisionSpec& s) {
  hasher.text(s.prefix);
  for (const int64_t v : {static_cast<int64_t>(s.kind), s.hidden, s.layers, s.heads, s.head_dim, s.intermediate, s.patch, s.image,
                          static_cast<int64_t>(s.activation), s.run_layers, static_cast<int64_t>(s.drop_class_token)}) {
    hasher.number(v);
  }
  hasher.real(s.norm_eps);
}

void hash_spec(Hasher& hasher, const ProjectorSpec& s) {
  hasher.text(s.type).number(static_cast<int64_t>(s.kind)).number(s.input).number(s.output).number(s.window).number(s.column_major);
  for (const ProjectorSpec::Layer& layer : s.layers) {
    hasher.text(layer.name).number(static_cast<int64_t>(layer.kind)).number(layer.in).number(layer.out);
  }
  hasher.real(s.norm_eps);
}

/// Where the file lies, its size and when it was last written.
void hash_file(Hasher& hasher, const MappedFile& file) {
  struct stat status {};
  if (::stat(file.path().c_str(), &status) != 0) fail(ErrorCode::io, file.path(), ": ", std::strerror(errno));
  hasher.text(real_path(file.path())).number(static_cast<int64_t>(file.size()));
  hasher.number(status.st_mtim.tv_sec).number(status.st_mtim.tv_nsec);
}

/// Name, type, shape, place, and the first, middle and last bytes.
void hash_tensor(Hasher& hasher, const TensorRef& tensor) {
  hasher.text(tensor.name).number(static_cast<int64_t>(tensor.dtype)).number(static_cast<int64_t>(tensor.offset));
  for (const int64_t dim : tensor.shape) hasher.number(dim);
  const uint64_t sample = std::min<uint64_t>(64, tensor.bytes), last = tensor.bytes - sample;
  for (const uint64_t at : {uint64_t{0}, last / 2, last}) hasher.bytes(tensor.data() + at, sample);
}

}  // namespace

std::shared_ptr<const Checkpoint> Checkpoint::open(const std::string& folder) {
  std::shared_ptr<Checkpoint> checkpoint(new Checkpoint);
  checkpoint->read(folder);
  return checkpoint;
}

std::shared_ptr<const Checkpoint> Checkpoint::survey(const std::string& folder, std::vector<std::string>& problems) {
  std::shared_ptr<Checkpoint> checkpoint(new Checkpoint);
  checkpoint->description_.spec.path = folder;
  Problems gathered;
  attempt([&] { checkpoint->read(folder); });
  problems = gathered.found();
  return checkpoint;
}

void Checkpoint::read(const std::string& folder) {
  description_ = describe_checkpoint(folder);
  open_stores();
  if (description_.has_vision) check_tensors(ModelPart::vision);
  if (description_.has_projector) check_tensors(ModelPart::projector);
  if (!description_.has_language) return;
  LanguageSpec& language = description_.spec.language;
  const bool known =
      language_.files().empty() || attempt([&] { recognise_packing(language, language_, description_.language_folder); });
  if (!known) return;  // Which tensors are needed is not known either.
  check_tensors(ModelPart::language);
  const std::string first = block_linears(language, 0).front().name;
  const std::string tensor = is_packed(language, first) ? tensor_names::embed_tokens(language) : first + ".weight";
  if (const auto it = language_.all().find(tensor); it != language_.all().end()) description_.spec.weight_dtype = it->second.dtype;
}

void Checkpoint::open_stores() {
  std::map<std::string, TensorStore> opened;  // By folder: parts may share one.
  const auto open = [&opened](TensorStore& store, const std::string& folder) {
    const auto [it, is_new] = opened.try_emplace(folder);
    if (is_new && !folder.empty() && is_folder(folder)) attempt([&] { it->second.add_folder(folder); });
    store = it->second;
  };
  open(language_, description_.language_folder);
  open(vision_, description_.vision_folder);
  open(projector_, description_.projector_folder);
}

void Checkpoint::check_tensors(ModelPart part) {
  const TensorStore& tensors = store(part);
  if (tensors.files().empty() && Problems::current() != nullptr) return;  // Its files are the problem, not each tensor.
  PartSize& size = sizes_[static_cast<size_t>(part)];
  TensorProblems problems;
  for (const NeededTensor& needed : needed_tensors(spec(), part)) {
    if (tensors.promised(needed.name) && !tensors.contains(needed.name)) continue;
    problems.attempt(needed.name, [&] {
      const TensorRef& tensor = tensors.get(needed.name, needed.shape);
      if (needed.dtype ? tensor.dtype != *needed.dtype : !is_float(tensor.dtype)) {
        fail(ErrorCode::bad_file, tensor.file->path(), ": tensor ", needed.name, " has type ", name_of(tensor.dtype), ", expected ",
             needed.dtype ? name_of(*needed.dtype) : "fp32, fp16 or bf16");
      }
      size.bytes += static_cast<int64_t>(tensor.bytes);
      size.parameters += needed.parameters;
    });
  }
  problems.report();
}

uint64_t Checkpoint::weight_bytes() const { return static_cast<uint64_t>(sizes_[0].bytes + sizes_[1].bytes + sizes_[2].bytes); }
int64_t Checkpoint::parameters() const { return sizes_[0].parameters + sizes_[1].parameters + sizes_[2].parameters; }

const TensorStore& Checkpoint::store(ModelPart part) const {
  switch (part) {
    case ModelPart::language: return language_;
    case ModelPart::vision: return vision_;
    case ModelPart::projector: return projector_;
  }
  fail(ErrorCode::internal, "no such part of a model");
}

std::string Checkpoint::fingerprint() const {
  Hasher hasher;
  hash_spec(hasher, spec().language);
  hash_spec(hasher, spec().vision);
  hash_spec(hasher, spec().projector);
  hasher.number(spec().synthetic);
  std::map<const MappedFile*, int64_t> files;
  for (const NeededTensor& needed : needed_tensors(spec())) {
    const TensorRef& tensor = store(needed.part).get(needed.name);
    const auto [file, is_new] = files.emplace(tensor.file.get(), static_cast<int64_t>(files.size()));
    if (is_new) hash_file(hasher, *tensor.file);
    hasher.number(file->second);
    hash_tensor(hasher, tensor);
  }
  return hasher.finish().hex();
}

}  // namespace vila
