// SPDX-License-Identifier: Apache-2.0
// What this process may use of the machine's processors.
#pragma once

#include <string>
#include <vector>

namespace vila::plan {

/// Logical processors that this process may run on (its scheduling affinity), ascending; never empty.
std::vector<int> allowed_processors();

/// Physical cores behind `processors`, by the sibling lists under `root`/sys; a processor without one counts as a core.
int count_cores(const std::string& root, const std::vector<int>& processors);

/// The number of threads one computation should use: physical cores this process may run on, at most its quota; at least 1.
int physical_cores();

/// Instruction set extensions that matter to the backends and that this processor and system offer, for example "avx2".
struct CpuFeature {
  std::string name;
  bool present = false;
};
std::vector<CpuFeature> cpu_features();

/// "AMD EPYC 9R14" and the like; empty when unknown.
std::string cpu_model();

}  // namespace vila::plan
