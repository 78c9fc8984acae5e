// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/handle.h"

#include "common/error.h"
#include "common/utf8.h"

namespace vila::plan::onnxruntime {

std::string single_line(const char* text) {
  std::string line = replace_invalid_utf8(text);
  for (char& c : line) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

void check(const OrtApi& api, OrtStatus* status, const std::string& what) {
  if (status == nullptr) return;
  const Handle<OrtStatus> owned(status, api.ReleaseStatus);
  fail(ErrorCode::backend, what, ": ", single_line(api.GetErrorMessage(status)));
}

}  // namespace vila::plan::onnxruntime
