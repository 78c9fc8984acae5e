// SPDX-License-Identifier: Apache-2.0
#include "kernels/processor.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "common/error.h"

namespace vila::kernels {
namespace {

/// "portable, avx2 or avx512"
std::string listed(const std::vector<InstructionSet>& sets) {
  std::string text;
  for (size_t i = 0; i < sets.size(); ++i) {
    if (i > 0) text += i + 1 < sets.size() ? ", " : " or ";
    text += name_of(sets[i]);
  }
  return text;
}

std::vector<InstructionSet> present_sets() {
  std::vector<InstructionSet> present;
  std::copy_if(instruction_sets().begin(), instruction_sets().end(), std::back_inserter(present), processor_has);
  return present;
}

}  // namespace

const char* name_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::portable: return "portable";
    case InstructionSet::avx2: return "avx2";
    case InstructionSet::avx512: return "avx512";
    case InstructionSet::avx512vnni: return "avx512vnni";
    case InstructionSet::avx512bf16: return "avx512bf16";
  }
  return "";
}

const std::vector<InstructionSet>& instruction_sets() {
  using enum InstructionSet;
  static const std::vector<InstructionSet> sets = {portable, avx2, avx512, avx512vnni, avx512bf16};
  return sets;
}

#ifdef VILA_X86
bool processor_has(InstructionSet set) {
  __builtin_cpu_init();
  switch (set) {
    case InstructionSet::portable: return true;
    case InstructionSet::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case InstructionSet::avx512:
      return processor_has(InstructionSet::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    case InstructionSet::avx512vnni:
      return processor_has(InstructionSet::avx512) && __builtin_cpu_supports("avx512vnni");
    case InstructionSet::avx512bf16:
      return processor_has(InstructionSet::avx512) && __builtin_cpu_supports("avx512bf16");
  }
  return false;
}
#else
bool processor_has(InstructionSet set) { return set == InstructionSet::portable; }
#endif

std::optional<InstructionSet> read_limit(const char* value, const std::vector<InstructionSet>& present) {
  if (value == nullptr || *value == '\0') return std::nullopt;
  const std::string name = value;
  for (const InstructionSet set : instruction_sets()) {
    if (name != name_of(set)) continue;
    if (std::find(present.begin(), present.end(), set) != present.end()) return set;
    fail(ErrorCode::invalid_argument, kLimitVariable, ": ", name, ", which this processor does not have; expected ", listed(present));
  }
  fail(ErrorCode::invalid_argument, kLimitVariable, ": '", name, "' is no instruction set; expected ", listed(present));
}

std::optional<InstructionSet> limit() {
  static const std::optional<InstructionSet> set = read_limit(std::getenv(kLimitVariable), present_sets());
  return set;
}

bool may_use(InstructionSet set) { return set <= limit().value_or(set) && processor_has(set); }

}  // namespace vila::kernels
