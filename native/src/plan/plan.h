// SPDX-License-Identifier: Apache-2.0
// What the session sees of a backend: compiled plans that run on bound memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/dtype.h"
#include "plan/stop_source.h"
#include "vila/vila.h"

namespace vila::plan {

/// Memory bound to an input or output for one run; not owned. Outputs must have their full size.
struct Binding {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  void* data = nullptr;
};

class ImagePlan;

/// A compiled graph. run() may be called from several threads at once, each with its own bindings.
class Plan {
 public:
  virtual ~Plan() = default;
  /// Runs once. An output bound to the same address as an input is written in place (the KV cache). Every input and output of the
  /// graph must be bound; throws internal otherwise, backend when the backend fails. Raising `stop` (may be null) before or during
  /// the run ends it after the operator that is being computed; it then throws cancelled and the outputs hold anything.
  virtual void run(const std::vector<Binding>& inputs, const std::vector<Binding>& outputs, StopSource* stop) = 0;
  /// This plan where it is one of images (image_plan.h), else null.
  virtual ImagePlan* images() { return nullptr; }
};

struct CompileOptions {
  int32_t threads = 0;              ///< 0: physical cores
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;         ///< "onnxruntime"
  virtual std::string version() const = 0;      ///< "1.28.0"
  /// Turns serialised ONNX (external data under "/") into a plan. Throws backend with the backend's own message.
  virtual std::unique_ptr<Plan> compile(const std::string& onnx, const std::string& label, const CompileOptions& options) = 0;
};

/// Loads ONNX Runtime with dlopen (once a process; set_onnxruntime_path, $VILA_ONNXRUNTIME, next to this library, system).
/// Throws not_found listing every path tried and why each failed; unsupported for an API version that is too old; invalid_argument for
/// a VILA_CPU (kernels/processor.h) that is no instruction set of this processor.
std::shared_ptr<Backend> onnxruntime_backend();

/// What doctor() says about this backend; never throws.
std::vector<Check> onnxruntime_checks();

/// Compiled graphs on disk: `<dir>/<label>-<fingerprint>.onnx` (or another extension), written once, found again by fingerprint; and
/// beside them the weights that a graph refers to and no checkpoint holds in that form: `<dir>/<label>-<fingerprint>.safetensors`.
class PlanCache {
 public:
  /// `dir` empty: $VILA_CACHE, $XDG_CACHE_HOME/vila4j, ~/.cache/vila4j, then a folder under the temporary directory.
  explicit PlanCache(const std::string& dir);
  const std::string& dir() const { return dir_; }

  struct Entry {
    std::string path, bytes;        ///< the file and its whole content
    bool existed = false;
  };
  /// Returns the entry, or makes it: takes the entry's file lock (so that two builders, in one process or two, do the work once),
  /// calls `build`, writes to a temporary file, syncs and renames. A damaged entry (its checksum trailer does not match) is
  /// rebuilt with a warning. Nothing half-written is ever read; an exception from `build` leaves no file.
  Entry get_or_build(const std::string& label, const std::string& fingerprint, const std::function<std::string()>& build,
                     const char* extension = "onnx");

  /// A file that is too large to be held in memory.
  struct Weights {
    std::string path;
    uint64_t bytes = 0;
    bool existed = false;
  };
  /// Takes bytes in order.
  using Write = std::function<void(const void* data, size_t size)>;
  /// A file in pieces 0 to count-1, one behind the other; a piece is the same bytes whenever it is asked for.
  struct Pieces {
    size_t count = 0;
    std::function<void(size_t piece, const Write& write)> write;
  };
  /// The same for weights, whose pieces come from `build` (called only where they are needed). The last kChecksumBytes of the file
  /// are no piece's: they are the XXH3-128 of all before them, low word first, little-endian, and are compared whenever the file is
  /// found, which reads it once through. A plan that refers to the file is to be asked for after it: so it never meets an absent or
  /// damaged one. A process that is killed, and Error{cancelled}, leave what was written as `<file>.partial`, with the checksums of
  /// its finished pieces in `<file>.partial.done`; the next one compares these and goes on behind the last that is whole, with a
  /// line of log. Any other error leaves nothing.
  Weights get_or_write(const std::string& label, const std::string& fingerprint, const std::function<Pieces()>& build);
  static constexpr size_t kChecksumBytes = 16;

 private:
  std::string dir_;
};

}  // namespace vila::plan
