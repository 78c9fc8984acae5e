// SPDX-License-Identifier: Apache-2.0
// Which instruction sets a test of kernels covers on this machine.
#pragma once

#include <doctest/doctest.h>

#include <iostream>
#include <string>
#include <vector>

#include "kernels/processor.h"

namespace vila::testing {

/// `list` must be the kernels that this processor may run of those for `sets` (best first), and plain C++. Each of the others is said
/// on a line "SKIPPED: ...", so that a test does not seem to cover what it did not run.
template <class Kernel>
void check_tested(const char* what, const std::vector<Kernel>& list, const std::vector<kernels::InstructionSet>& sets) {
  std::vector<std::string> wanted, found;
  for (const kernels::InstructionSet set : sets) {
    if (kernels::may_use(set)) {
      wanted.emplace_back(name_of(set));
    } else {
      std::cout << "SKIPPED: " << what << " with " << name_of(set) << ": "
                << (kernels::processor_has(set) ? "VILA_CPU leaves it out" : "this processor lacks it") << '\n';
    }
  }
  wanted.emplace_back(name_of(kernels::InstructionSet::portable));
  for (const Kernel& kernel : list) found.emplace_back(kernel.name);
  CHECK(found == wanted);
}

}  // namespace vila::testing
