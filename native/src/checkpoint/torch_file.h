// SPDX-License-Identifier: Apache-2.0
// The files that torch.save writes since PyTorch 1.6: a zip archive of NAME/data.pkl (a pickle that describes the tensors) and
// NAME/data/KEY (the bytes of each storage, stored as they are), little-endian unless NAME/byteorder says otherwise (format
// description: PyTorch's notes on serialization).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/tensor_entry.h"

namespace vila {

/// Whether the bytes start as those of a zip archive do.
bool is_zip(const uint8_t* data, uint64_t size);
/// Whether they start as torch.save wrote before PyTorch 1.6: a bare pickle of its magic number.
bool is_legacy_torch(const uint8_t* data, uint64_t size);

/// The tensors of the file whose bytes are `data`; `path` is for messages. Tensors may share a storage. Throws what
/// read_zip_directory() and read_pickled_tensors() throw; bad_file for an archive without exactly one data.pkl, a storage that is
/// absent or not as long as the pickle says, a tensor that reaches beyond its storage; unsupported for big-endian files and for
/// strides that are not those of C order (dimensions of 1 may have any).
std::vector<TensorEntry> read_torch_file(const uint8_t* data, uint64_t size, const std::string& path);

}  // namespace vila
