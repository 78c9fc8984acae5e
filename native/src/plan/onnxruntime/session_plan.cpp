// SPDX-License-Identifier: Apache-2.0
#include "plan/onnxruntime/session_plan.h"

#include <onnxruntime_session_options_config_keys.h>

#include <utility>

#include "common/error.h"
#include "common/single_line.h"
#include "plan/cpu.h"

namespace vila::plan::onnxruntime {
namespace {

ONNXTensorElementDataType element_type(DType type) {
  switch (type) {
    case DType::f32: return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    case DType::f16: return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
    case DType::bf16: return ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16;
    case DType::i64: return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
    case DType::i32: return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
    case DType::i16: return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16;
    case DType::i8: return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8;
    case DType::u8: return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
    case DType::boolean: return ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL;
  }
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

DType dtype_of(ONNXTensorElementDataType type, const std::string& what) {
  for (DType candidate : {DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32, DType::i16, DType::i8, DType::u8,
                          DType::boolean}) {
    if (element_type(candidate) == type) return candidate;
  }
  fail(ErrorCode::unsupported, what, ": ONNX element type ", static_cast<int>(type));
}

/// "[1,?,64]"
std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ',';
    text += shape[i] < 0 ? "?" : std::to_string(shape[i]);
  }
  return text + "]";
}

Handle<OrtSessionOptions> session_options(const Environment& environment, const std::string& label, const CompileOptions& options) {
  const OrtApi& api = *environment.library.api;
  OrtSessionOptions* raw = nullptr;
  check(api, api.CreateSessionOptions(&raw), label);
  Handle<OrtSessionOptions> result(raw, api.ReleaseSessionOptions);
  const auto config = [&](const char* key, const char* value) {
    check(api, api.AddSessionConfigEntry(raw, key, value), join(label, ", ", key));
  };
  check(api, api.AddCustomOpDomain(raw, environment.operators), label);
  check(api, api.SetSessionLogId(raw, label.c_str()), label);
  check(api, api.SetSessionLogSeverityLevel(raw, logging_level()), label);
  check(api, api.SetSessionGraphOptimizationLevel(raw, ORT_ENABLE_ALL), label);
  check(api, api.SetSessionExecutionMode(raw, ORT_SEQUENTIAL), label);
  // Graphs say themselves what is rounded; a fusion would round the activations of 4-bit products, and has no fp8.
  config("session.disable_quant_qdq", "1");
  check(api, api.SetIntraOpNumThreads(raw, options.threads > 0 ? options.threads : physical_cores()), label);
  check(api, api.SetInterOpNumThreads(raw, 1), label);
  // A memory pattern would be kept for every set of input shapes ever seen, and sequence lengths are ever new.
  check(api, api.DisableMemPattern(raw), label);
  // Weights are referred to by their real paths, which start at the root.
  config("session.model_external_initializers_file_folder_path", "/");
  // Weights go straight into memory of their exact size; the arena, which grows in powers of two, is left to activations.
  // Measured in tests/native/plan/memory_test.cpp: 1.01 times the weights, 1.07 at the peak of loading.
  config(kOrtSessionOptionsUseDeviceAllocatorForInitializers, "1");
  // Pool threads spin over the gap between two operators, and no longer: where more threads want to run than there are cores
  // (several sessions, or other programs), spinning without a bound makes a decode step two to three times slower, 50 us at most
  // 1.5 times. A library that does not know the bound yet at least stops spinning with the last run.
  config(kOrtSessionOptionsConfigAllowIntraOpSpinning, "1");
  config("session.intra_op.spin_duration_us", "50");
  config(kOrtSessionOptionsConfigForceSpinningStop, "1");
  return result;
}

Handle<OrtSession> make_session(const Environment& environment, const std::string& onnx, const std::string& label,
                                const CompileOptions& options) {
  const OrtApi& api = *environment.library.api;
  const Handle<OrtSessionOptions> made = session_options(environment, label, options);
  OrtSession* session = nullptr;
  check(api, api.CreateSessionFromArray(environment.env, onnx.data(), onnx.size(), made.get(), &session),
        join(label, ": ONNX Runtime cannot compile it"));
  return Handle<OrtSession>(session, api.ReleaseSession);
}

Handle<OrtMemoryInfo> cpu_memory(const OrtApi& api, const std::string& label) {
  OrtMemoryInfo* memory = nullptr;
  check(api, api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory), label);
  return Handle<OrtMemoryInfo>(memory, api.ReleaseMemoryInfo);
}

}  // namespace

/// What one run at a time uses: its options (which carry the terminate flag) and the lists of values.
struct SessionPlan::RunState {
  RunState(const OrtApi& ort, const std::string& label) : api(ort), options(nullptr, ort.ReleaseRunOptions) {
    OrtRunOptions* raw = nullptr;
    check(api, api.CreateRunOptions(&raw), label);
    options.reset(raw);
  }
  ~RunState() { clear(); }
  RunState(const RunState&) = delete;
  RunState& operator=(const RunState&) = delete;
  void clear() noexcept {
    for (std::vector<OrtValue*>* values : {&inputs, &outputs}) {
      for (OrtValue* value : *values) api.ReleaseValue(value);
      values->clear();
    }
  }

  const OrtApi& api;
  Handle<OrtRunOptions> options;
  std::vector<OrtValue*> inputs, outputs;  // owned
};

/// Takes an idle state, or makes one, and gives it back.
class SessionPlan::RunStateLease {
 public:
  explicit RunStateLease(SessionPlan& plan) : plan_(plan) {
    {
      const std::lock_guard lock(plan_.mutex_);
      if (!plan_.idle_.empty()) {
        state_ = std::move(plan_.idle_.back());
        plan_.idle_.pop_back();
      }
    }
    if (state_ == nullptr) state_ = std::make_unique<RunState>(plan_.api_, plan_.label_);
  }
  ~RunStateLease() {
    state_->clear();
    if (OrtStatus* status = plan_.api_.RunOptionsUnsetTerminate(state_->options.get())) {
      plan_.api_.ReleaseStatus(status);
      return;
    }
    try {
      const std::lock_guard lock(plan_.mutex_);
      plan_.idle_.push_back(std::move(state_));
    } catch (...) {  // Out of memory: the state is dropped instead of kept.
    }
  }
  RunStateLease(const RunStateLease&) = delete;
  RunStateLease& operator=(const RunStateLease&) = delete;
  RunState& operator*() const { return *state_; }

 private:
  SessionPlan& plan_;
  std::unique_ptr<RunState> state_;
};

SessionPlan::SessionPlan(const Environment& environment, const std::string& onnx, const std::string& label,
                         const CompileOptions& options)
    : api_(*environment.library.api),
      label_(label),
      memory_(cpu_memory(api_, label)),
      session_(make_session(environment, onnx, label, options)) {
  read_slots(inputs_, "input", api_.SessionGetInputCount, api_.SessionGetInputName, api_.SessionGetInputTypeInfo);
  read_slots(outputs_, "output", api_.SessionGetOutputCount, api_.SessionGetOutputName, api_.SessionGetOutputTypeInfo);
}

SessionPlan::~SessionPlan() = default;

void SessionPlan::read_slots(Slots& slots, const char* kind, CountFunction count, NameFunction name, TypeFunction type) {
  slots.kind = kind;
  size_t size = 0;
  check(api_, count(session_.get(), &size), label_);
  OrtAllocator* allocator = nullptr;
  check(api_, api_.GetAllocatorWithDefaultOptions(&allocator), label_);
  for (size_t i = 0; i < size; ++i) {
    Slot slot;
    char* text = nullptr;
    check(api_, name(session_.get(), i, allocator, &text), label_);
    slot.name = text;
    check(api_, api_.AllocatorFree(allocator, text), label_);
    const std::string what = join(label_, ", ", kind, " \"", slot.name, "\"");
    OrtTypeInfo* raw = nullptr;
    check(api_, type(session_.get(), i, &raw), what);
    const Handle<OrtTypeInfo> owned(raw, api_.ReleaseTypeInfo);
    const OrtTensorTypeAndShapeInfo* tensor = nullptr;  // belongs to the type info
    check(api_, api_.CastTypeInfoToTensorInfo(raw, &tensor), what);
    if (tensor == nullptr) fail(ErrorCode::unsupported, what, ": not a tensor");
    ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    check(api_, api_.GetTensorElementType(tensor, &element), what);
    slot.dtype = dtype_of(element, what);
    size_t rank = 0;
    check(api_, api_.GetDimensionsCount(tensor, &rank), what);
    slot.shape.resize(rank);
    check(api_, api_.GetDimensions(tensor, slot.shape.data(), rank), what);
    slots.list.push_back(std::move(slot));
  }
  for (size_t i = 0; i < size; ++i) {
    slots.names.push_back(slots.list[i].name.c_str());
    slots.index.emplace(slots.list[i].name, i);
  }
}

void SessionPlan::bind(const Slots& slots, const std::vector<Binding>& bindings, std::vector<OrtValue*>& values) const {
  values.assign(slots.list.size(), nullptr);
  for (const Binding& binding : bindings) {
    const auto found = slots.index.find(binding.name);
    const auto refuse = [&](const auto&... reason) {
      fail(ErrorCode::internal, label_, ", ", slots.kind, " \"", binding.name, "\": ", reason...);
    };
    if (found == slots.index.end()) refuse("the graph has none of this name");
    const Slot& slot = slots.list[found->second];
    OrtValue*& value = values[found->second];
    if (value != nullptr) refuse("bound twice");
    if (binding.dtype != slot.dtype) refuse(name_of(binding.dtype), " is bound, the graph has ", name_of(slot.dtype));
    bool matches = binding.shape.size() == slot.shape.size();
    uint64_t size = size_of(binding.dtype);
    for (size_t i = 0; matches && i < slot.shape.size(); ++i) {
      const int64_t dim = binding.shape[i];
      matches = dim >= 0 && (slot.shape[i] < 0 || slot.shape[i] == dim) &&
                !__builtin_mul_overflow(size, static_cast<uint64_t>(dim), &size);
    }
    if (!matches) refuse("shape ", shape_text(binding.shape), " is bound, the graph has ", shape_text(slot.shape));
    static char nothing = 0;  // an empty tensor needs an address too
    void* data = size == 0 ? &nothing : binding.data;
    if (data == nullptr) refuse("no memory is bound");
    check(api_,
          api_.CreateTensorWithDataAsOrtValue(memory_.get(), data, size, binding.shape.data(), binding.shape.size(),
                                              element_type(binding.dtype), &value),
          label_);
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == nullptr) fail(ErrorCode::internal, label_, ", ", slots.kind, " \"", slots.list[i].name, "\": not bound");
  }
}

void SessionPlan::run(const std::vector<Binding>& inputs, const std::vector<Binding>& outputs, StopSource* stop) {
  const auto throw_if_stopped = [&] {
    if (stop != nullptr && stop->raised()) fail(ErrorCode::cancelled, label_, ": cancelled");
  };
  throw_if_stopped();
  const RunStateLease lease(*this);
  RunState& state = *lease;
  bind(inputs_, inputs, state.inputs);
  bind(outputs_, outputs, state.outputs);
  OrtStatus* status = nullptr;
  {
    const StopSource::Hook hook(stop, [&state] {
      if (OrtStatus* failed = state.api.RunOptionsSetTerminate(state.options.get())) state.api.ReleaseStatus(failed);
    });
    status = api_.Run(session_.get(), state.options.get(), inputs_.names.data(), state.inputs.data(), state.inputs.size(),
                      outputs_.names.data(), state.outputs.size(), state.outputs.data());
  }
  const Handle<OrtStatus> owned(status, api_.ReleaseStatus);
  throw_if_stopped();
  if (status != nullptr) fail(ErrorCode::backend, label_, ": ONNX Runtime: ", single_line(api_.GetErrorMessage(status)));
}

}  // namespace vila::plan::onnxruntime
