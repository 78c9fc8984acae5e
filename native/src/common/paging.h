// SPDX-License-Identifier: Apache-2.0
// What a process keeps in memory of the files that it has mapped.
#pragma once

#include <cstddef>

namespace vila {

/// Takes pages of a mapped file out of this process's memory: those that hold any of these bytes. They are read again when they are
/// touched next, from the system's cache where it still has them. Any thread, also while others read the same bytes. Touching a
/// page brings those around it too (64 KiB on Linux), so what is dropped piece by piece is dropped once more as a whole.
void drop_pages(const void* data, size_t size) noexcept;

}  // namespace vila
