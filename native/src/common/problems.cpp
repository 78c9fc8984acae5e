// SPDX-License-Identifier: Apache-2.0
#include "common/problems.h"

#include <algorithm>

namespace vila {
namespace {

thread_local Problems* innermost = nullptr;

}  // namespace

Problems::Problems() : outer_(innermost) { innermost = this; }
Problems::~Problems() { innermost = outer_; }
Problems* Problems::current() noexcept { return innermost; }

void Problems::add(const std::string& message) {
  if (std::find(found_.begin(), found_.end(), message) == found_.end()) found_.push_back(message);
}

}  // namespace vila
