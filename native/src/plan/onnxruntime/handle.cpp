// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/handle.h"

#include "common/error.h"
#include "common/single_line.h"

namespace vila::plan::onnxruntime {

void check(const OrtApi& api, OrtStatus* status, const std::string& what) {
  if (status == nullptr) return;
  const Handle<OrtStatus> owned(status, api.ReleaseStatus);
  fail(ErrorCode::backend, what, ": ", single_line(api.GetErrorMessage(status)));
}

}  // namespace vila::plan::onnxruntime
