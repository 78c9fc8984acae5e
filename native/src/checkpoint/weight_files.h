// SPDX-License-Identifier: Apache-2.0
// Which files of a folder hold its tensors.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace vila {

/// The weights of a folder: one file, or the shards that an index names.
struct WeightFiles {
  std::string index;  ///< path of the index; empty: one file
  /// File name, always plain, to the tensors that it must hold as the index says. Empty: the folder holds no weights.
  std::map<std::string, std::vector<std::string>> shards;
  std::string stale_index;  ///< path of an index whose shards are not there, so that a .pt file was taken
};

/// Looks, in this order, for model.safetensors.index.json, model.safetensors, pytorch_model.bin.index.json, pytorch_model.bin and
/// a single .pt file. Of an index none of whose shards is there (quantised releases keep the one of the weights that they no
/// longer carry) the single .pt file beside it is taken. Opens no weights: shards may be absent. Throws bad_file for an index that
/// is none or names a shard by more than a plain file name; unsupported, naming two, where several .pt files could be meant.
WeightFiles find_weight_files(const std::string& folder);

}  // namespace vila
