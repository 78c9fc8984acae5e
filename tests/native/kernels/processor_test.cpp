// SPDX-License-Identifier: Apache-2.0
// Instruction sets, and the environment variable that limits them.
#include "kernels/processor.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "kernels/attention.h"
#include "kernels/bf16_product.h"
#include "kernels/full_attention.h"
#include "kernels/layer_norm.h"
#include "kernels/product.h"
#include "plan/environment.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::kernels;  // NOLINT
using namespace vila::testing;  // NOLINT
using enum InstructionSet;

namespace {

/// Whether no kernel of `list` is for more than `most`, and plain C++ is the last.
template <class Kernel>
bool within(const std::vector<Kernel>& list, InstructionSet most) {
  return std::string(list.back().name) == name_of(portable) && std::all_of(list.begin(), list.end(), [&](const Kernel& kernel) {
           return std::any_of(instruction_sets().begin(), instruction_sets().end(),
                              [&](InstructionSet set) { return set <= most && std::string(kernel.name) == name_of(set); });
         });
}

}  // namespace

TEST_CASE("VILA_CPU: a name that the processor has, or an error that says which it has") {
  CHECK_FALSE(read_limit(nullptr, {portable}).has_value());
  CHECK_FALSE(read_limit("", {portable}).has_value());
  for (const InstructionSet set : instruction_sets()) CHECK(read_limit(name_of(set), instruction_sets()) == set);
  CHECK(read_limit("avx512bf16", {portable, avx512bf16}) == avx512bf16);
  const auto error = [](const char* value, const std::vector<InstructionSet>& present) {
    return error_of([&] { read_limit(value, present); });
  };
  CHECK(error("AVX2", instruction_sets()) ==
        "1:VILA_CPU: 'AVX2' is no instruction set; expected portable, avx2, avx512, avx512vnni or avx512bf16");
  CHECK(error("avx", {portable, avx2}) == "1:VILA_CPU: 'avx' is no instruction set; expected portable or avx2");
  CHECK(error("avx512vnni", {portable, avx2, avx512}) ==
        "1:VILA_CPU: avx512vnni, which this processor does not have; expected portable, avx2 or avx512");
  CHECK(error("avx2", {portable}) == "1:VILA_CPU: avx2, which this processor does not have; expected portable");
}

TEST_CASE("VILA_CPU: no kernel uses more than it allows, and a name that is none stops all of them") {
  // In children: the variable is read once a process.
  for (const InstructionSet set : instruction_sets()) {
    if (!processor_has(set)) continue;
    CAPTURE(name_of(set));
    const pid_t pid = in_child([&] {
      ::setenv("VILA_CPU", name_of(set), 1);
      const bool right = limit() == set && may_use(portable) && within(products(), set) && within(bf16_products(), set) &&
                         within(attentions(), set) && within(full_attentions(), set) && within(layer_norms(), set);
      ::unsetenv("VILA_CPU");
      ::_exit(right && limit() == set ? 0 : 2);
    });
    CHECK(status_of(pid) == 0);
  }
  const pid_t pid = in_child([] {
    ::setenv("VILA_CPU", "fast", 1);
    int errors = 0;
    for (void (*use)() : {+[] { products(); }, +[] { bf16_products(); }, +[] { attentions(); }, +[] { full_attentions(); },
                          +[] { layer_norms(); }, +[] { limit(); }}) {
      errors += error_of(use).starts_with("1:VILA_CPU: 'fast' is no instruction set; expected portable") ? 1 : 0;
    }
    ::_exit(errors == 6 ? 0 : 2);
  });
  CHECK(status_of(pid) == 0);
}
