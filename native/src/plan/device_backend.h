// SPDX-License-Identifier: Apache-2.0
// A backend whose plans belong to one kind of device and run in its memory: TensorRT. It lives in a library of its own,
// libvila_cuda.so, which is opened when it is asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/dtype.h"
#include "graph/graph.h"
#include "plan/decoder.h"
#include "plan/plan.h"

namespace vila::plan {

/// The shapes that a plan takes an input in.
struct InputRange {
  std::string name;
  std::vector<int64_t> least, usual, most;  ///< every dimension, also fixed ones; `usual` is what it is made fast for
};

struct BuildRequest {
  std::string label;               ///< begins messages
  /// For each range of shapes that the plan is made fast for by itself: every input that has a dynamic dimension. At least one.
  std::vector<std::vector<InputRange>> ranges;
  std::string timing_cache;        ///< file of what earlier builds measured, read and written; empty: none
  bool strip = true;               ///< the plan is written without weights, which load() takes from the graph
  /// Gets the share that is done, 0 to 1, in the thread that builds; false cancels. What it throws build() throws. May be empty.
  std::function<bool(double)> progress;
  StopSource* stop = nullptr;      ///< cancels too; may be null
};

/// A plan and the graph that it was built from.
struct BuiltPlan {
  std::string bytes;
  graph::Graph graph;
  std::string label;
};

/// An embedding table where a checkpoint has it. Nothing is owned.
struct HostTable {
  const void* data = nullptr;  ///< [rows, width]
  DType dtype = DType::f32;    ///< f32, f16 or bf16
  int64_t rows = 0, width = 0;
};

/// The same in the memory of a device: made by a DeviceBackend, of use to its decoders. Immutable; any thread.
class DeviceTable {
 public:
  virtual ~DeviceTable() = default;
  virtual size_t bytes() const = 0;  ///< of the device's memory
};

/// Sizes of a language model in the dialect of the device (graph/tensorrt_dialect.h).
struct DecoderSizes {
  int64_t layers = 0, kv_heads = 0, head_dim = 0, hidden = 0, vocab = 0;
  DType compute = DType::f16;         ///< f16, bf16 or f32: of what enters the plans, and of caches
  std::vector<int64_t> capacities;    ///< ascending: those that there are plans for
  /// Ascending from 1: most sequences that each range of a decode plan takes; it takes at least one more than the range before.
  std::vector<int64_t> batches;
  int64_t chunk = 0;                  ///< most positions of a step
};

/// The steps of one capacity. Without `decode`, `prefill` computes single positions as well.
struct BucketPlans {
  BuiltPlan prefill;
  std::unique_ptr<BuiltPlan> decode;
};

/// Plans of one device. Any thread: calls leave no trace in which CUDA device is a thread's current one, and neither do those of what
/// is made here.
class DeviceBackend {
 public:
  virtual ~DeviceBackend() = default;
  virtual std::string name() const = 0;         ///< "tensorrt"
  virtual std::string version() const = 0;      ///< "11.2.1"
  /// What plans belong to besides the version: "sm90".
  virtual std::string device() const = 0;
  virtual std::string device_name() const = 0;  ///< "NVIDIA H200"

  /// Compiles. Throws cancelled, or backend with the library's own words.
  virtual std::string build(const graph::Graph& graph, const BuildRequest& request) = 0;
  /// A plan over host memory, for graphs whose inputs and outputs are float32 or the compute type: bindings are float32 and are
  /// converted on the device. `plan.graph` gives its weights. Throws bad_file for bytes that are no plan of this version and device.
  virtual std::unique_ptr<Plan> load(const BuiltPlan& plan) = 0;
  /// Copies a table to the device: in its own type or, where that holds more than `compute`, rounded to it as its rows would be
  /// when they enter a plan. Throws capacity where memory lacks.
  virtual std::shared_ptr<const DeviceTable> load_table(const HostTable& table, DType compute) = 0;
  /// A language model over a table of load_table(), which it keeps. `plans` is asked for a capacity when a sequence first needs it, and again when it was given up for lack of
  /// memory; what it throws, the call that needed it throws.
  virtual std::unique_ptr<Decoder> make_decoder(const DecoderSizes& sizes, std::shared_ptr<const DeviceTable> table,
                                                std::function<BucketPlans(int64_t capacity)> plans) = 0;
};

/// Opens libvila_cuda.so (once a process; the file $VILA_CUDA, next to this library, the system's) and, in it,
/// TensorRT (tensorrt/library.h) on the CUDA device of this number (once each). Throws not_found where a library is missing, with
/// every place that was tried and what to do; unsupported for a library of another version of vila4j and for a device that is too
/// old; backend where there is no driver or device; invalid_argument for a number beyond the devices that are there. Any thread.
std::shared_ptr<DeviceBackend> tensorrt_backend(int32_t device);

}  // namespace vila::plan
