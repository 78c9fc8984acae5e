// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/checkpoint.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "checkpoint/description.h"
#include "checkpoint/needed_tensors.h"
#include "checkpoint/tensor_names.h"
#include "common/error.h"
#include "common/hash.h"

namespace vila {
namespace {

bool is_float(DType t) { return t == DType::f32 || t == DType::f16 || t == DType::bf16; }

TensorStore open_folder(const std::string& folder) {
  TensorStore store;
  store.add_folder(folder);
  return store;
}

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
  const CheckpointDescription description = describe_checkpoint(folder);
  std::shared_ptr<Checkpoint> checkpoint(new Checkpoint);
  checkpoint->spec_ = description.spec;
  checkpoint->language_ = open_folder(description.language_folder);
  const auto shared = [&](const std::string& other) {
    return other == description.language_folder ? checkpoint->language_ : open_folder(other);
  };
  checkpoint->vision_ = shared(description.vision_folder);
  checkpoint->projector_ = shared(description.projector_folder);
  for (const NeededTensor& needed : needed_tensors(checkpoint->spec_)) {
    const TensorRef& tensor = checkpoint->store(needed.part).get(needed.name, needed.shape);
    if (!is_float(tensor.dtype)) {
      fail(ErrorCode::bad_file, tensor.file->path(), ": tensor ", needed.name, " has type ", name_of(tensor.dtype),
           ", expected fp32, fp16 or bf16");
    }
    checkpoint->weight_bytes_ += tensor.bytes;
    checkpoint->parameters_ += tensor.elements();
  }
  const LanguageSpec& language = checkpoint->spec_.language;
  checkpoint->spec_.weight_dtype =
      checkpoint->language_.get(tensor_names::language_layer(language, 0) + "self_attn.q_proj.weight").dtype;
  return checkpoint;
}

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
  hash_spec(hasher, spec_.language);
  hash_spec(hasher, spec_.vision);
  hash_spec(hasher, spec_.projector);
  std::map<const MappedFile*, int64_t> files;
  for (const NeededTensor& needed : needed_tensors(spec_)) {
    const TensorRef& tensor = store(needed.part).get(needed.name);
    const auto [file, is_new] = files.emplace(tensor.file.get(), static_cast<int64_t>(files.size()));
    if (is_new) hash_file(hasher, *tensor.file);
    hasher.number(file->second);
    hash_tensor(hasher, tensor);
  }
  return hasher.finish().hex();
}

}  // namespace vila
