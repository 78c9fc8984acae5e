// SPDX-License-Identifier: Apache-2.0
// Machine code of every kernel for every generation of GPUs: read from the program's own file, where nvcc has put it.
#include <doctest/doctest.h>
#include <elf.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cuda/cache_copy.h"
#include "cuda/decode_attention.h"
#include "cuda/embedding_rows.h"
#include "cuda/image_resize.h"
#include "cuda/token_sampler.h"

namespace {

// A fat binary: this, then entries of machine code (2) or PTX (1), each behind a head of its own.
constexpr uint32_t kFatMagic = 0xBA55ED50;
struct FatHead {
  uint32_t magic;
  uint16_t version, head_bytes;
  uint64_t bytes;
};
struct EntryHead {
  uint16_t kind, unknown;
  uint32_t head_bytes;
  uint64_t bytes;
  uint32_t unknown_numbers[2];
  uint16_t minor, major;
  uint32_t architecture;
};

/// Of each fat binary of the program, a source file each, what it has machine code for.
std::vector<std::set<uint32_t>> architectures() {
  std::ifstream in("/proc/self/exe", std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  const auto at = [&](auto& value, size_t offset) {
    REQUIRE(offset + sizeof value <= file.size());
    std::memcpy(&value, file.data() + offset, sizeof value);
  };
  Elf64_Ehdr elf;
  at(elf, 0);
  Elf64_Shdr names;
  at(names, elf.e_shoff + elf.e_shstrndx * sizeof names);
  std::vector<std::set<uint32_t>> found;
  for (size_t i = 0; i < elf.e_shnum; ++i) {
    Elf64_Shdr section;
    at(section, elf.e_shoff + i * sizeof section);
    if (std::strcmp(file.c_str() + names.sh_offset + section.sh_name, ".nv_fatbin") != 0) continue;
    const size_t section_end = section.sh_offset + section.sh_size;
    for (size_t offset = section.sh_offset; offset + sizeof(FatHead) <= section_end;) {
      FatHead head;
      at(head, offset);
      if (head.magic != kFatMagic) {  // what fills the gap to the next
        offset += 8;
        continue;
      }
      std::set<uint32_t>& there = found.emplace_back();
      const size_t end = offset + head.head_bytes + head.bytes;
      for (size_t entry = offset + head.head_bytes; entry < end;) {
        EntryHead kept;
        at(kept, entry);
        if (kept.kind == 2) there.insert(kept.architecture);
        entry += kept.head_bytes + kept.bytes;
      }
      offset = end;
    }
  }
  return found;
}

}  // namespace

TEST_CASE("every source file of kernels has machine code for each generation from sm_80 on") {
  // The linker takes what is used.
  const void* volatile const used[] = {reinterpret_cast<const void*>(&vila::cuda::copy_cache_rows),
                                       reinterpret_cast<const void*>(&vila::cuda::decode_attention),
                                       reinterpret_cast<const void*>(&vila::cuda::gather_rows),
                                       reinterpret_cast<const void*>(&vila::cuda::resize_image),
                                       reinterpret_cast<const void*>(&vila::cuda::sample_tokens)};
  size_t files = 0;
  for (const std::set<uint32_t>& there : architectures()) {
    if (there.empty()) continue;  // the CUDA runtime's own
    ++files;
    CHECK(there == std::set<uint32_t>{VILA_ARCHITECTURES});
  }
  CHECK(files == std::size(used));
}
