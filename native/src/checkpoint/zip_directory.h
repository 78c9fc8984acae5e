// SPDX-License-Identifier: Apache-2.0
// Where the members of a zip archive lie, for archives whose members are stored as they are (format description: PKWARE's
// APPNOTE.TXT 6.3). There is nothing to unpack, so the members of a mapped archive are used in place.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace vila {

/// A stored member; offset .. offset+bytes are its contents and lie in the archive.
struct ZipMember {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// The members of the archive whose bytes are `data`, by name; zip64 included. `path` is for messages. Checksums are not compared.
/// Throws unsupported for members that are compressed or encrypted and for archives of several volumes; bad_file (with file,
/// member, found, expected) for an archive that is cut off or has bytes behind its end, a member listed twice, one that reaches
/// beyond the space before the directory or overlaps another, a local header that contradicts the directory,
/// a directory of more than 32 MiB, a member's name that is longer than 512 bytes.
std::map<std::string, ZipMember> read_zip_directory(const uint8_t* data, uint64_t size, const std::string& path);

}  // namespace vila
