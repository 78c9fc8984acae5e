// SPDX-License-Identifier: Apache-2.0
// How much memory this process may use.
#pragma once

#include <cstdint>
#include <string>

namespace vila::plan {

/// Bytes of the machine's memory (MemTotal of `root`/proc/meminfo) or of this process's control groups (control_group.h) where
/// these grant less; 0 when neither is known. `root` is empty but in tests.
uint64_t usable_memory(const std::string& root);

}  // namespace vila::plan
