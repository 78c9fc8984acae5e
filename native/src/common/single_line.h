// SPDX-License-Identifier: Apache-2.0
// Text of a library that is not ours, fit for a message.
#pragma once

#include <string>

namespace vila {

/// The text as one line of UTF-8.
std::string single_line(const char* text);

}  // namespace vila
