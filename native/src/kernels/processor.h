// SPDX-License-Identifier: Apache-2.0
// What this processor and system offer, as the files of this room are compiled for it, and how much of that may be used.
#pragma once

#include <optional>
#include <vector>

namespace vila::kernels {

/// What kernels are written for. A set has all that stand before it, but avx512bf16, which has avx512 and may lack VNNI.
enum class InstructionSet {
  portable,  ///< whatever the compiler's baseline is
  avx2,      ///< with FMA and F16C
  avx512,    ///< F, BW, VL, DQ
  avx512vnni,
  avx512bf16,
};

/// "portable", "avx2", ...
const char* name_of(InstructionSet set);
/// All of them, least first.
const std::vector<InstructionSet>& instruction_sets();
/// Whether this processor and system have it, whatever the limit is. Any thread.
bool processor_has(InstructionSet set);

/// The environment variable that limits what kernels use, for measuring and testing what other processors get.
inline constexpr const char* kLimitVariable = "VILA_CPU";
/// What its value (null and "" are none) means on a processor that has `present`. Throws invalid_argument for any but their names.
std::optional<InstructionSet> read_limit(const char* value, const std::vector<InstructionSet>& present);
/// The limit of this process; nothing where the variable is not set. It is read once, but for calls that throw what read_limit throws.
/// Any thread.
std::optional<InstructionSet> limit();
/// Whether kernels for `set` may run: the processor has it, and the limit is no lower. Throws what limit() throws. Any thread.
bool may_use(InstructionSet set);

}  // namespace vila::kernels
