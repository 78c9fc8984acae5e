// SPDX-License-Identifier: Apache-2.0
// What the control groups (containers) of this process grant it.
#pragma once

#include <cstdint>
#include <string>

namespace vila::plan {

/// The smallest limits of the process's control groups and their parents, versions 1 and 2, as the kernel shows them.
struct ControlGroupLimits {
  int processors = 0;         ///< processors' worth of time, rounded up; 0 without a limit
  uint64_t memory_bytes = 0;  ///< 0 without a limit
};

/// Reads `root`/proc/self/cgroup and `root`/sys/fs/cgroup; what cannot be read is no limit. `root` is empty but in tests.
ControlGroupLimits control_group_limits(const std::string& root);

}  // namespace vila::plan
