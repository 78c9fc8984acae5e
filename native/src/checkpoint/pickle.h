// SPDX-License-Identifier: Apache-2.0
// The pickle inside a PyTorch checkpoint, read by a machine that can do no more than tensors need (format description: the
// comments of Python's pickletools module). A pickle is a program; this machine executes nothing: it has no imports, no calls, no
// objects but the kinds named here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/dtype.h"

namespace vila {

/// The element type of a storage.
struct StorageType {
  const char* global;          ///< how pickles name it: "torch.HalfStorage"
  const char* dtype_name;      ///< as safetensors spells it: "F16"
  uint64_t size;               ///< bytes of one element
  std::optional<DType> dtype;  ///< absent for a type that vila4j does not read
};

/// A tensor as a pickle describes it: a view of a storage. No number has been compared with a storage's real size.
struct PickledTensor {
  std::string name;
  std::string storage;  ///< key of the storage, its file name in the archive
  const StorageType* type = nullptr;
  uint64_t storage_elements = 0;
  uint64_t first = 0;  ///< element of the storage at which the tensor starts
  std::vector<int64_t> shape, strides;  ///< as many of each; not negative; strides in elements
};

/// The tensors of a pickled state: a dict from name to tensor, or a dict of which exactly one value is such a dict ("state_dict",
/// "model"); values that are neither are passed over. In the pickle's order. `path` is for messages.
///
/// Read are the opcodes of protocols 2 to 5 that such states use, and these globals: torch._utils._rebuild_tensor_v2,
/// torch._utils._rebuild_parameter, collections.OrderedDict (and what is set on one, which is passed over), the storage types of
/// torch. Throws unsupported for every other opcode and global, naming it; bad_file for a pickle that is cut off or contradicts
/// itself, one of more than 32 MiB or 2^20 values, a memo key beyond 2^20, marks nested deeper than 64, tensors of more than 8
/// dimensions, a tensor's name that is listed twice, is longer than 1024 bytes, is not UTF-8 or holds a control character. Nothing
/// recurses, memory is bounded by these limits, and time grows with the pickle's size, whatever it refers to how often.
std::vector<PickledTensor> read_pickled_tensors(const uint8_t* data, uint64_t size, const std::string& path);

}  // namespace vila
