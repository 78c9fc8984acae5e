// SPDX-License-Identifier: Apache-2.0
// The log of a library that is opened by entry.h.
#pragma once

#include "plan/tensorrt/entry.h"

namespace vila::plan::tensorrt {

/// Sends this library's log lines to its opener's log from now on, those of any thread. The first call counts; `log` must live until
/// the process ends, because TensorRT logs until then.
void forward_log(const EntryLog& log);

}  // namespace vila::plan::tensorrt
