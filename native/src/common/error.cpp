// SPDX-License-Identifier: Apache-2.0
#include "common/error.h"

namespace vila {

Error::Error(ErrorCode code, const std::string& message)
    : std::runtime_error(message), code_(code), coded_(std::to_string(static_cast<int>(code)) + ":" + message) {}
Error::Error(const Error&) = default;
Error::~Error() = default;

LogListener::~LogListener() = default;
ProgressListener::~ProgressListener() = default;
TokenListener::~TokenListener() = default;
bool TokenListener::on_begin() { return true; }

}  // namespace vila
