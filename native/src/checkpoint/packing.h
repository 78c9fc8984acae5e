// SPDX-License-Identifier: Apache-2.0
// How the linear layers of an opened language model are packed.
#pragma once

#include <string>

#include "checkpoint/checkpoint.h"

namespace vila {

/// Looks at the tensors of `store` (those of `folder`, for messages) and sets packing, packing_group and plain_linears of
/// `language`: a layer with "<name>.qweight" is packed; names and shapes tell in which of awq.h's layouts and groups. Throws
/// bad_file where the tensors fit none, contradict one another or what the configuration said.
void recognise_packing(LanguageSpec& language, const TensorStore& store, const std::string& folder);

}  // namespace vila
