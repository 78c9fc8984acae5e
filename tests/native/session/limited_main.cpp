// SPDX-License-Identifier: Apache-2.0
// Runs the tests under the instruction set that VILA_CPU names, or says that this processor lacks it and returns what ctest takes for
// a skipped test.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "kernels/processor.h"

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  using namespace vila::kernels;  // NOLINT
  const char* value = std::getenv(kLimitVariable);
  for (const InstructionSet set : instruction_sets()) {
    if (value == nullptr || std::string(value) != name_of(set) || processor_has(set)) continue;
    std::cout << "SKIPPED: models with the kernels of " << value << ": this processor lacks it\n";
    return kSkipped;
  }
  return doctest::Context(argc, argv).run();
}
