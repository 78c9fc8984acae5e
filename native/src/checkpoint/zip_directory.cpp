// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/zip_directory.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/utf8.h"

namespace vila {
namespace {

constexpr uint32_t kLocalHeader = 0x04034B50, kDirectoryHeader = 0x02014B50, kEnd = 0x06054B50, kZip64End = 0x06064B50,
                   kZip64Locator = 0x07064B50;
constexpr uint64_t kLocalHeaderSize = 30, kDirectoryHeaderSize = 46, kEndSize = 22, kZip64EndSize = 56, kZip64LocatorSize = 20;
constexpr uint64_t kMaxComment = 0xFFFF, kMaxDirectory = 32ULL << 20, kMaxName = 512;
constexpr uint64_t kElsewhere16 = 0xFFFF, kElsewhere32 = 0xFFFFFFFF;  ///< the value stands in a zip64 record
constexpr uint64_t kEncryptedFlags = 1U | 1U << 6 | 1U << 13;
constexpr uint64_t kSizesBehind = 1U << 3;  ///< the local header leaves the sizes to a record behind the contents
constexpr uint16_t kZip64Extra = 1;

/// Little-endian numbers of a byte range, each read checked.
class Bytes {
 public:
  Bytes(const uint8_t* data, uint64_t size, const std::string& path) : data_(data), size_(size), path_(path) {}
  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  uint64_t number(uint64_t at, int width) const {
    need(at, static_cast<uint64_t>(width));
    uint64_t value = 0;
    for (int i = 0; i < width; ++i) value |= static_cast<uint64_t>(data_[at + static_cast<uint64_t>(i)]) << (8 * i);
    return value;
  }
  uint64_t u16(uint64_t at) const { return number(at, 2); }
  uint64_t u32(uint64_t at) const { return number(at, 4); }
  uint64_t u64(uint64_t at) const { return number(at, 8); }
  std::string_view text(uint64_t at, uint64_t length) const {
    need(at, length);
    return {reinterpret_cast<const char*>(data_) + at, length};
  }

 private:
  void need(uint64_t at, uint64_t length) const {
    if (at > size_ || length > size_ - at) {
      fail(ErrorCode::bad_file, path_, ": zip archive: needs ", length, " bytes at byte ", at, ", but the file has ", size_,
           " bytes");
    }
  }
  const uint8_t* data_;
  uint64_t size_;
  const std::string& path_;
};

/// The central directory.
struct Directory {
  uint64_t offset = 0, bytes = 0, entries = 0;
};

/// The end record lies behind everything; only its own comment follows it.
uint64_t find_end(const Bytes& file) {
  if (file.size() >= kEndSize) {
    const uint64_t last = file.size() - kEndSize;
    for (uint64_t comment = 0; comment <= std::min(last, kMaxComment); ++comment) {
      const uint64_t at = last - comment;
      if (file.u32(at) == kEnd && file.u16(at + 20) == comment) return at;
    }
  }
  fail(ErrorCode::bad_file, file.path(), ": zip archive: no end record, the file is cut off or has bytes behind the archive");
}

/// The zip64 end record, where its locator stands before the end record.
std::optional<uint64_t> find_zip64_end(const Bytes& file, uint64_t end) {
  if (end < kZip64LocatorSize || file.u32(end - kZip64LocatorSize) != kZip64Locator) return std::nullopt;
  const uint64_t locator = end - kZip64LocatorSize, at = file.u64(locator + 8);
  if (at > locator || kZip64EndSize > locator - at || file.u32(at) != kZip64End) {
    fail(ErrorCode::bad_file, file.path(), ": zip archive: no zip64 end record at byte ", at);
  }
  if (file.u32(locator + 4) != 0 || file.u32(locator + 16) > 1) {
    fail(ErrorCode::unsupported, file.path(), ": zip archive of several volumes");
  }
  return at;
}

Directory find_directory(const Bytes& file) {
  const uint64_t end = find_end(file);
  Directory directory;
  uint64_t behind = end, volume = file.u16(end + 4), volume_of_directory = file.u16(end + 6), entries_here = file.u16(end + 8);
  directory.entries = file.u16(end + 10);
  directory.bytes = file.u32(end + 12);
  directory.offset = file.u32(end + 16);
  if (const std::optional<uint64_t> zip64 = find_zip64_end(file, end)) {
    behind = *zip64;
    const auto take = [](uint64_t& value, uint64_t elsewhere, uint64_t wide) {
      if (value == elsewhere) value = wide;
    };
    take(volume, kElsewhere16, file.u32(*zip64 + 16));
    take(volume_of_directory, kElsewhere16, file.u32(*zip64 + 20));
    take(entries_here, kElsewhere16, file.u64(*zip64 + 24));
    take(directory.entries, kElsewhere16, file.u64(*zip64 + 32));
    take(directory.bytes, kElsewhere32, file.u64(*zip64 + 40));
    take(directory.offset, kElsewhere32, file.u64(*zip64 + 48));
  }
  if (volume != 0 || volume_of_directory != 0 || entries_here != directory.entries) {
    fail(ErrorCode::unsupported, file.path(), ": zip archive of several volumes");
  }
  if (directory.offset > behind || directory.bytes != behind - directory.offset) {
    fail(ErrorCode::bad_file, file.path(), ": zip archive: directory of ", directory.bytes, " bytes at byte ", directory.offset,
         ", expected to end at byte ", behind);
  }
  if (directory.bytes > kMaxDirectory) {
    fail(ErrorCode::bad_file, file.path(), ": zip archive: directory of ", directory.bytes, " bytes, at most ", kMaxDirectory,
         " are accepted");
  }
  if (directory.entries > directory.bytes / kDirectoryHeaderSize) {
    fail(ErrorCode::bad_file, file.path(), ": zip archive: ", directory.entries, " members in a directory of ", directory.bytes,
         " bytes");
  }
  return directory;
}

/// Sizes and place of a member.
struct Extent {
  uint64_t size, stored, header;
};

/// Takes from the zip64 field what the header leaves to it; the field holds these numbers in this order.
void apply_zip64(const Bytes& file, uint64_t at, uint64_t length, Extent& extent, const std::string& member) {
  for (const uint64_t end = at + length; end - at >= 4;) {
    const uint64_t id = file.u16(at), bytes = file.u16(at + 2);
    at += 4;
    if (bytes > end - at) break;
    if (id == kZip64Extra) {
      uint64_t left = bytes;
      for (uint64_t* value : {&extent.size, &extent.stored, &extent.header}) {
        if (*value != kElsewhere32) continue;
        if (left < 8) {
          fail(ErrorCode::bad_file, member, ": zip64 field of ", bytes, " bytes, too short for what the header leaves to it");
        }
        *value = file.u64(at + bytes - left);
        left -= 8;
      }
      return;
    }
    at += bytes;
  }
  for (const uint64_t value : {extent.size, extent.stored, extent.header}) {
    if (value == kElsewhere32) fail(ErrorCode::bad_file, member, ": no zip64 field, but its header refers to one");
  }
}

/// Where the contents start: behind the local header, which must repeat name, method and, unless it leaves them out, sizes.
uint64_t contents_offset(const Bytes& file, const Extent& extent, std::string_view name, uint64_t limit,
                         const std::string& member) {
  const uint64_t header = extent.header;
  if (header > limit || kLocalHeaderSize > limit - header || file.u32(header) != kLocalHeader) {
    fail(ErrorCode::bad_file, member, ": no local header at byte ", header);
  }
  const uint64_t name_length = file.u16(header + 26), extra_length = file.u16(header + 28);
  const uint64_t flags = file.u16(header + 6);
  const auto same_size = [&](uint64_t at) {
    const uint64_t size = file.u32(at);
    return size == extent.size || size == kElsewhere32 || (size == 0 && (flags & kSizesBehind) != 0);
  };
  if (name_length != name.size() || file.text(header + kLocalHeaderSize, name_length) != name || file.u16(header + 8) != 0 ||
      (flags & kEncryptedFlags) != 0 || !same_size(header + 18) || !same_size(header + 22)) {
    fail(ErrorCode::bad_file, member, ": the local header at byte ", header, " contradicts the directory");
  }
  return header + kLocalHeaderSize + name_length + extra_length;
}

/// A member with the place of its local header, where it starts.
struct Listed {
  std::string name;
  uint64_t header;
  ZipMember member;
};

/// Reads the directory entry at `at` and moves `at` behind it.
Listed read_entry(const Bytes& file, const Directory& directory, uint64_t& at) {
  const uint64_t directory_end = directory.offset + directory.bytes;
  if (directory_end - at < kDirectoryHeaderSize || file.u32(at) != kDirectoryHeader) {
    fail(ErrorCode::bad_file, file.path(), ": zip archive: no directory entry at byte ", at);
  }
  const uint64_t name_length = file.u16(at + 28), extra_length = file.u16(at + 30), comment_length = file.u16(at + 32);
  if (name_length + extra_length + comment_length > directory_end - at - kDirectoryHeaderSize) {
    fail(ErrorCode::bad_file, file.path(), ": zip archive: the directory entry at byte ", at, " reaches beyond the directory");
  }
  const std::string_view name = file.text(at + kDirectoryHeaderSize, name_length);
  if (name.empty() || name.size() > kMaxName || invalid_utf8_offset(name) != std::string_view::npos ||
      std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    fail(ErrorCode::bad_file, file.path(), ": zip archive: the name in the directory entry at byte ", at, " is empty, longer than ",
         kMaxName, " bytes, not UTF-8 or holds a control character");
  }
  const std::string member = file.path() + ": zip member " + printable(name);
  if ((file.u16(at + 8) & kEncryptedFlags) != 0) fail(ErrorCode::unsupported, member, ": is encrypted");
  if (const uint64_t method = file.u16(at + 10); method != 0) {
    fail(ErrorCode::unsupported, member, ": is compressed (method ", method, "), expected stored members as PyTorch writes them");
  }
  Extent extent{file.u32(at + 24), file.u32(at + 20), file.u32(at + 42)};
  apply_zip64(file, at + kDirectoryHeaderSize + name_length, extra_length, extent, member);
  if (extent.size != extent.stored) {
    fail(ErrorCode::bad_file, member, ": ", extent.stored, " stored bytes, expected its size, ", extent.size);
  }
  const uint64_t offset = contents_offset(file, extent, name, directory.offset, member);
  if (offset > directory.offset || extent.size > directory.offset - offset) {
    fail(ErrorCode::bad_file, member, ": ", extent.size, " bytes at byte ", offset, ", but the directory starts at byte ",
         directory.offset);
  }
  at += kDirectoryHeaderSize + name_length + extra_length + comment_length;
  return {std::string(name), extent.header, {offset, extent.size}};
}

void check_overlaps(std::vector<Listed>& members, const std::string& path) {
  std::sort(members.begin(), members.end(), [](const Listed& a, const Listed& b) { return a.header < b.header; });
  for (size_t i = 1; i < members.size(); ++i) {
    const Listed &before = members[i - 1], &member = members[i];
    if (member.header < before.member.offset + before.member.bytes) {
      fail(ErrorCode::bad_file, path, ": zip member ", printable(member.name), ": overlaps ", printable(before.name));
    }
  }
}

}  // namespace

std::map<std::string, ZipMember> read_zip_directory(const uint8_t* data, uint64_t size, const std::string& path) {
  const Bytes file(data, size, path);
  const Directory directory = find_directory(file);
  std::vector<Listed> members;
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.entries; ++i) members.push_back(read_entry(file, directory, at));
  if (at != directory.offset + directory.bytes) {
    fail(ErrorCode::bad_file, path, ": zip archive: ", directory.offset + directory.bytes - at,
         " bytes behind the last directory entry");
  }
  std::map<std::string, ZipMember> result;
  for (const Listed& listed : members) {
    if (!result.emplace(listed.name, listed.member).second) {
      fail(ErrorCode::bad_file, path, ": zip member ", printable(listed.name), ": is listed twice");
    }
  }
  check_overlaps(members, path);
  return result;
}

}  // namespace vila
