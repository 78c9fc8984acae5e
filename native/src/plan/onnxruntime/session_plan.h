// SPDX-License-Identifier: Apache-2.0
// A plan that is an ONNX Runtime session.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/live_count.h"
#include "plan/onnxruntime/environment.h"
#include "plan/onnxruntime/handle.h"
#include "plan/plan.h"

namespace vila::plan::onnxruntime {

/// Runs one OrtSession on the caller's memory. Concurrent runs share the session's weights, thread pool and arena; each takes a
/// RunState of its own, and as many of those are kept as ever ran at once, so that a run allocates only its OrtValues.
class SessionPlan final : public Plan {
 public:
  SessionPlan(const Environment& environment, const std::string& onnx, const std::string& label, const CompileOptions& options);
  ~SessionPlan() override;
  void run(const std::vector<Binding>& inputs, const std::vector<Binding>& outputs, StopSource* stop) override;

 private:
  /// What the session says of one of its inputs or outputs.
  struct Slot {
    std::string name;
    DType dtype = DType::f32;
    std::vector<int64_t> shape;  // -1 where dynamic
  };
  /// The inputs or the outputs, in the session's order.
  struct Slots {
    const char* kind = "";       // "input", "output"
    std::vector<Slot> list;
    std::vector<const char*> names;
    std::unordered_map<std::string, size_t> index;
  };
  struct RunState;
  class RunStateLease;

  using CountFunction = OrtStatus*(ORT_API_CALL*)(const OrtSession*, size_t*);
  using NameFunction = OrtStatus*(ORT_API_CALL*)(const OrtSession*, size_t, OrtAllocator*, char**);
  using TypeFunction = OrtStatus*(ORT_API_CALL*)(const OrtSession*, size_t, OrtTypeInfo**);
  void read_slots(Slots& slots, const char* kind, CountFunction count, NameFunction name, TypeFunction type);
  void bind(const Slots& slots, const std::vector<Binding>& bindings, std::vector<OrtValue*>& values) const;

  const OrtApi& api_;
  std::string label_;
  Handle<OrtMemoryInfo> memory_;
  Handle<OrtSession> session_;
  Slots inputs_, outputs_;
  std::mutex mutex_;             // guards idle_
  std::vector<std::unique_ptr<RunState>> idle_;
  LiveCount<LiveType::plan> live_;
};

}  // namespace vila::plan::onnxruntime
