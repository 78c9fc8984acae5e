// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>

#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/mapped_file.h"
#include "plan/plan.h"

namespace vila::plan {
namespace {

namespace fs = std::filesystem;

// An entry ends in a trailer that readers of protobuf skip as an unknown field: the entry stays a valid ONNX file.
//   key of field 2000, length-delimited (82 7D); length 24 (18); "vilaplan"; XXH3-128 of all bytes before the key, low word
//   first, little-endian.
constexpr char kTrailerStart[] = {'\x82', '\x7D', '\x18', 'v', 'i', 'l', 'a', 'p', 'l', 'a', 'n'};
constexpr size_t kTrailerSize = sizeof kTrailerStart + PlanCache::kChecksumBytes;
// Protobuf's own bound on a message.
constexpr uint64_t kMostBytes = (1ULL << 31) - 1;
constexpr size_t kMostNameLetters = 200;

constexpr const char* kHowToMove = "; another folder can be set with the load option cache_dir or the environment variable VILA_CACHE";

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string bytes_of(const Hash128& hash) {
  std::string bytes;
  for (uint64_t word : {hash.low, hash.high}) {
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(word >> (8 * i) & 0xFF);
  }
  return bytes;
}

std::string trailer_of(const std::string& content) {
  return std::string(kTrailerStart, sizeof kTrailerStart) + bytes_of(Hasher().bytes(content.data(), content.size()).finish());
}

/// Removes the trailer; false when there is none or the checksum differs.
bool strip_trailer(std::string& bytes) {
  if (bytes.size() < kTrailerSize) return false;
  const std::string found = bytes.substr(bytes.size() - kTrailerSize);
  bytes.resize(bytes.size() - kTrailerSize);
  return found == trailer_of(bytes);
}

void check_name(const char* what, const std::string& name) {
  bool good = !name.empty() && name.size() <= kMostNameLetters;
  for (char c : name) good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-');
  if (!good) fail(ErrorCode::internal, "plan cache: ", what, " \"", name, "\" is no file name of letters, digits, _ and -");
}

[[noreturn]] void fail_io(const std::string& path, const char* what, int error) {
  fail(ErrorCode::io, path, ": ", what, ": ", std::strerror(error), kHowToMove);
}

/// An open file descriptor that closes itself.
class File {
 public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// Holds <entry>.lock. The lock file is removed by its last holder, so a file that was locked may be gone from the folder by then:
/// the one that counts is the one that lies there after it was locked.
class EntryLock {
 public:
  explicit EntryLock(std::string path) : path_(std::move(path)), in_process_(process_mutex(path_)), guard_(*in_process_) {
    for (;;) {
      file_.emplace(path_, O_RDWR | O_CREAT);
      if (!*file_) fail_io(path_, "cannot be created", errno);
      int result = 0;
      do result = ::flock(file_->get(), LOCK_EX);
      while (result != 0 && errno == EINTR);
      if (result != 0) fail_io(path_, "cannot be locked", errno);
      struct stat locked {}, lying {};
      if (::fstat(file_->get(), &locked) == 0 && ::stat(path_.c_str(), &lying) == 0 && locked.st_ino == lying.st_ino &&
          locked.st_dev == lying.st_dev) {
        return;
      }
    }
  }
  ~EntryLock() { ::unlink(path_.c_str()); }
  EntryLock(const EntryLock&) = delete;
  EntryLock& operator=(const EntryLock&) = delete;

 private:
  /// flock() is emulated per process on some network file systems, so threads of one process exclude each other by a mutex.
  static std::shared_ptr<std::mutex> process_mutex(const std::string& path) {
    static std::mutex table_mutex;
    static std::map<std::string, std::weak_ptr<std::mutex>> table;
    const std::lock_guard lock(table_mutex);
    for (auto entry = table.begin(); entry != table.end();) entry = entry->second.expired() ? table.erase(entry) : std::next(entry);
    std::shared_ptr<std::mutex> mutex = table[path].lock();
    if (mutex == nullptr) table[path] = mutex = std::make_shared<std::mutex>();
    return mutex;
  }

  std::string path_;
  std::shared_ptr<std::mutex> in_process_;
  std::lock_guard<std::mutex> guard_;
  std::optional<File> file_;
};

/// The content of an entry; nothing when there is none or it is damaged.
std::optional<std::string> read_entry(const std::string& path, bool warn) {
  std::string bytes;
  try {
    bytes = read_file(path, kMostBytes);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::not_found) return std::nullopt;
    if (error.code() != ErrorCode::capacity) throw;
  }
  if (strip_trailer(bytes)) return bytes;
  if (warn) log(LogLevel::warn, path, ": the cached plan is damaged (its checksum does not match); it is built again");
  return std::nullopt;
}

/// What is known of a weights file.
enum class Found { absent, damaged, whole };

/// Reads the file once through, piece by piece, and compares its checksum.
Found check_weights(const std::string& path, uint64_t& size) {
  const File file(path, O_RDONLY);
  if (!file && errno == ENOENT) return Found::absent;
  if (!file) fail_io(path, "cannot be opened", errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail_io(path, "cannot be read", errno);
  size = static_cast<uint64_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size < PlanCache::kChecksumBytes) return Found::damaged;
  Hasher hasher;
  std::string piece(size_t{1} << 20, '\0');
  const auto read = [&](size_t wanted) {  // false at the end of a file that became shorter
    for (size_t done = 0; done < wanted;) {
      const ssize_t count = ::read(file.get(), piece.data() + done, wanted - done);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail_io(path, "cannot be read", errno);
      if (count == 0) return false;
      done += static_cast<size_t>(count);
    }
    return true;
  };
  for (uint64_t left = size - PlanCache::kChecksumBytes; left > 0;) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(left, piece.size()));
    if (!read(wanted)) return Found::damaged;
    hasher.bytes(piece.data(), wanted);
    left -= wanted;
  }
  if (!read(PlanCache::kChecksumBytes)) return Found::damaged;
  return piece.compare(0, PlanCache::kChecksumBytes, bytes_of(hasher.finish())) == 0 ? Found::whole : Found::damaged;
}

void write_all(const File& file, const std::string& path, const void* data, size_t size) {
  std::string_view rest(static_cast<const char*>(data), size);
  while (!rest.empty()) {
    const ssize_t written = ::write(file.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_io(path, "cannot be written", errno);
    rest.remove_prefix(static_cast<size_t>(written));
  }
}

/// Gives a whole file its name, also when the machine stops.
void publish_file(const std::string& dir, const std::string& from, const std::string& path) {
  if (::rename(from.c_str(), path.c_str()) != 0) fail_io(path, "cannot be published", errno);
  const File folder(dir, O_RDONLY | O_DIRECTORY);
  // Some file systems refuse to sync a folder; the entry is whole all the same, and checked when it is read.
  if (folder && ::fsync(folder.get()) != 0) log(LogLevel::debug, dir, ": cannot be synced: ", std::strerror(errno));
}

/// Writes a file that appears under `path` whole or not at all. The entry's lock is held.
void publish(const std::string& dir, const std::string& path, const std::function<void(const PlanCache::Write&)>& content) {
  const std::string temporary = path + ".tmp";
  struct Remover {
    const std::string& file;
    bool armed = true;
    ~Remover() {
      if (armed) ::unlink(file.c_str());
    }
  } remover{temporary};
  {
    const File file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file) fail_io(temporary, "cannot be created", errno);
    content([&](const void* data, size_t size) { write_all(file, temporary, data, size); });
    if (::fsync(file.get()) != 0) fail_io(temporary, "cannot be synced", errno);
  }
  publish_file(dir, temporary, path);
  remover.armed = false;
}

constexpr const char* kPartial = ".partial";

/// A weights file that grows piece by piece, beside a list of its finished pieces: for each its size (8 bytes, little-endian) and
/// its XXH3-128. The entry's lock is held.
class PartialFile {
 public:
  /// Opens what an earlier process has left, or begins.
  explicit PartialFile(const std::string& path)
      : path_(path),
        partial_(path + kPartial),
        list_(partial_ + ".done"),
        file_(partial_, O_RDWR | O_CREAT),
        done_(list_, O_RDWR | O_CREAT) {
    if (!file_) fail_io(partial_, "cannot be created", errno);
    if (!done_) fail_io(list_, "cannot be created", errno);
  }

  /// Writes what is missing, then the checksum, and syncs; returns the file's bytes. The list is gone then. What throws anything
  /// but cancelled leaves neither.
  uint64_t complete(const PlanCache::Pieces& pieces) {
    try {
      const size_t first = keep_whole(pieces.count);
      if (first > 0) log(LogLevel::info, path_, ": goes on behind ", first, " of ", pieces.count, " pieces that are there");
      for (size_t piece = first; piece < pieces.count; ++piece) add(piece, pieces);
      const std::string checksum = bytes_of(whole_.finish());
      write_all(file_, partial_, checksum.data(), checksum.size());
      if (::fsync(file_.get()) != 0) fail_io(partial_, "cannot be synced", errno);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::cancelled) remove();
      throw;
    } catch (...) {
      remove();
      throw;
    }
    ::unlink(list_.c_str());
    return end_ + PlanCache::kChecksumBytes;
  }

 private:
  static constexpr size_t kRecord = sizeof(uint64_t) + PlanCache::kChecksumBytes;

  static std::string record_of(uint64_t bytes, const Hash128& hash) {
    std::string record;
    for (int i = 0; i < 8; ++i) record += static_cast<char>(bytes >> (8 * i) & 0xFF);
    return record + bytes_of(hash);
  }

  void remove() {
    ::unlink(partial_.c_str());
    ::unlink(list_.c_str());
  }

  /// Reads `bytes` from where the file stands and gives them to `hasher`; false where it is shorter.
  bool read(uint64_t bytes, Hasher& hasher) {
    std::string piece(size_t{1} << 20, '\0');
    while (bytes > 0) {
      const ssize_t count = ::read(file_.get(), piece.data(), static_cast<size_t>(std::min<uint64_t>(bytes, piece.size())));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail_io(partial_, "cannot be read", errno);
      if (count == 0) return false;
      hasher.bytes(piece.data(), static_cast<size_t>(count));
      bytes -= static_cast<uint64_t>(count);
    }
    return true;
  }

  /// Compares the listed pieces with the file, cuts both behind the last that is whole, and returns the number of these.
  size_t keep_whole(size_t most) {
    size_t count = 0;
    for (std::string record(kRecord, '\0'); count < most; ++count) {
      if (::pread(done_.get(), record.data(), kRecord, static_cast<off_t>(count * kRecord)) != static_cast<ssize_t>(kRecord)) break;
      uint64_t bytes = 0;
      for (int i = 7; i >= 0; --i) bytes = bytes << 8 | static_cast<uint8_t>(record[static_cast<size_t>(i)]);
      Hasher hasher;
      if (!read(bytes, hasher) || record_of(bytes, hasher.finish()) != record) break;
      end_ += bytes;
    }
    cut(file_, partial_, end_);
    cut(done_, list_, count * kRecord);
    if (::lseek(file_.get(), 0, SEEK_SET) != 0) fail_io(partial_, "cannot be read", errno);
    read(end_, whole_);
    return count;
  }

  /// Shortens a file; what is written next is behind it.
  static void cut(const File& file, const std::string& path, uint64_t size) {
    const auto end = static_cast<off_t>(size);
    if (::ftruncate(file.get(), end) != 0 || ::lseek(file.get(), end, SEEK_SET) != end) fail_io(path, "cannot be cut", errno);
  }

  void add(size_t piece, const PlanCache::Pieces& pieces) {
    Hasher hasher;
    uint64_t bytes = 0;
    pieces.write(piece, [&](const void* data, size_t size) {
      write_all(file_, partial_, data, size);
      hasher.bytes(data, size);
      whole_.bytes(data, size);
      bytes += size;
    });
    const std::string record = record_of(bytes, hasher.finish());
    write_all(done_, list_, record.data(), record.size());
    end_ += bytes;
  }

  const std::string path_, partial_, list_;
  File file_, done_;
  Hasher whole_;        ///< of all pieces so far
  uint64_t end_ = 0;    ///< of the last whole piece
};

/// Makes the folder; an error message, or empty.
std::string make_folder(const std::string& dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (!fs::is_directory(dir, error)) {
    if (!error) error = std::make_error_code(std::errc::not_a_directory);
    return error.message();
  }
  return {};
}

/// The same, and the folder must be writable.
std::string make_writable_folder(const std::string& dir) {
  std::string problem = make_folder(dir);
  if (problem.empty() && ::access(dir.c_str(), W_OK | X_OK) != 0) problem = std::strerror(errno);
  return problem;
}

/// A folder of this user's own under the temporary directory, where other users may write too.
std::string temporary_folder() {
  std::string base = environment_variable("TMPDIR");
  if (base.empty() || base[0] != '/') base = "/tmp";
  const std::string dir = join(base, "/vila4j-", ::geteuid());
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) fail_io(dir, "the plan cache cannot be made", errno);
  struct stat status {};
  if (::lstat(dir.c_str(), &status) != 0) fail_io(dir, "the plan cache cannot be read", errno);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 022) != 0) {
    fail(ErrorCode::io, dir, ": no folder that only this user can write, so it is not used as plan cache", kHowToMove);
  }
  return dir;
}

std::string absolute(const std::string& dir) {
  std::error_code error;
  const fs::path path = fs::absolute(dir, error);
  return error ? dir : path.lexically_normal().string();
}

std::string choose_folder(const std::string& wanted) {
  std::string explicit_dir = wanted;
  if (explicit_dir.empty()) explicit_dir = environment_variable("VILA_CACHE");
  if (!explicit_dir.empty()) {
    // It may be read-only as long as it holds what is looked for.
    const std::string problem = make_folder(explicit_dir);
    if (!problem.empty()) fail(ErrorCode::io, explicit_dir, ": the plan cache cannot be made: ", problem, kHowToMove);
    return absolute(explicit_dir);
  }
  std::string dir = environment_variable("XDG_CACHE_HOME");
  if (dir.empty() || dir[0] != '/') {  // the XDG specification: a relative path is to be ignored
    dir = environment_variable("HOME");
    if (!dir.empty()) dir += "/.cache";
  }
  if (!dir.empty() && dir[0] == '/') {
    dir += "/vila4j";
    const std::string problem = make_writable_folder(dir);
    if (problem.empty()) return dir;
    log(LogLevel::warn, dir, ": not usable as plan cache: ", problem, "; a folder under the temporary directory is used");
  }
  return temporary_folder();
}

}  // namespace

PlanCache::PlanCache(const std::string& dir) : dir_(choose_folder(dir)) {}

PlanCache::Entry PlanCache::get_or_build(const std::string& label, const std::string& fingerprint,
                                         const std::function<std::string()>& build, const char* extension) {
  check_name("label", label);
  check_name("fingerprint", fingerprint);
  Entry entry;
  entry.path = dir_ + "/" + label + "-" + fingerprint + "." + extension;
  const auto found = [&entry](std::optional<std::string> bytes) {
    if (!bytes) return false;
    entry.bytes = std::move(*bytes);
    entry.existed = true;
    return true;
  };
  // An entry appears whole (by rename), so finding one needs no lock, nor a writable folder.
  if (found(read_entry(entry.path, false))) return entry;
  const EntryLock lock(entry.path + ".lock");
  if (found(read_entry(entry.path, true))) return entry;
  entry.bytes = build();
  if (entry.bytes.size() > kMostBytes - kTrailerSize) {
    fail(ErrorCode::capacity, entry.path, ": ", entry.bytes.size(), " bytes, at most ", kMostBytes - kTrailerSize, " fit a plan");
  }
  publish(dir_, entry.path, [&entry](const Write& write) {
    write(entry.bytes.data(), entry.bytes.size());
    const std::string trailer = trailer_of(entry.bytes);
    write(trailer.data(), trailer.size());
  });
  return entry;
}

PlanCache::Weights PlanCache::get_or_write(const std::string& label, const std::string& fingerprint,
                                           const std::function<Pieces()>& build) {
  check_name("label", label);
  check_name("fingerprint", fingerprint);
  Weights weights;
  weights.path = dir_ + "/" + label + "-" + fingerprint + ".safetensors";
  weights.existed = true;
  if (check_weights(weights.path, weights.bytes) == Found::whole) return weights;
  const EntryLock lock(weights.path + ".lock");
  const Found found = check_weights(weights.path, weights.bytes);
  if (found == Found::whole) return weights;
  if (found == Found::damaged)
    log(LogLevel::warn, weights.path, ": the cached weights are damaged (their checksum does not match); they are written again");
  weights.existed = false;
  const Pieces pieces = build();
  weights.bytes = PartialFile(weights.path).complete(pieces);
  publish_file(dir_, weights.path + kPartial, weights.path);
  return weights;
}

}  // namespace vila::plan
