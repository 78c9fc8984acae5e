// SPDX-License-Identifier: Apache-2.0
// Progress of long work, with cancel.
#pragma once

#include "common/error.h"

namespace vila {

/// Tells the listener (may be null); throws cancelled when it answers false.
inline void report(ProgressListener* listener, const char* stage, double fraction) {
  if (listener != nullptr && !listener->on_progress(stage, fraction)) fail(ErrorCode::cancelled, "cancelled at stage ", stage);
}

}  // namespace vila
