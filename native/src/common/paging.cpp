// SPDX-License-Identifier: Apache-2.0
#include "common/paging.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace vila {

void drop_pages(const void* data, size_t size) noexcept {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<uintptr_t>(data), begin = first / page * page;
  // Advice: where the system does not take it, the pages stay.
  if (size > 0) ::madvise(reinterpret_cast<void*>(begin), first + size - begin, MADV_DONTNEED);
}

}  // namespace vila
