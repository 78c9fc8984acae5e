// SPDX-License-Identifier: Apache-2.0
#include "vila/vila.h"

namespace vila {

std::string version() { return VILA_VERSION; }

}  // namespace vila
