// SPDX-License-Identifier: Apache-2.0
#include "kernels/processor.h"
#include "plan/onnxruntime/environment.h"
#include "plan/onnxruntime/session_plan.h"
#include "plan/plan.h"

namespace vila::plan {
namespace {

class OnnxRuntimeBackend final : public Backend {
 public:
  OnnxRuntimeBackend() : environment_(onnxruntime::environment()) {
    kernels::limit();  // A value that is none is said here, not in the middle of a run.
  }
  std::string name() const override { return "onnxruntime"; }
  std::string version() const override { return environment_.library.version; }
  std::unique_ptr<Plan> compile(const std::string& onnx, const std::string& label, const CompileOptions& options) override {
    return std::make_unique<onnxruntime::SessionPlan>(environment_, onnx, label, options);
  }

 private:
  const onnxruntime::Environment& environment_;
};

}  // namespace

std::shared_ptr<Backend> onnxruntime_backend() { return std::make_shared<OnnxRuntimeBackend>(); }

std::vector<Check> onnxruntime_checks() {
  Check check;
  check.name = "ONNX Runtime";
  check.required = true;
  try {
    const onnxruntime::Environment& environment = onnxruntime::environment();
    check.ok = true;
    check.detail = environment.library.version + ", " + environment.library.path;
  } catch (const std::exception& error) {
    check.detail = error.what();
  }
  return {check};
}

}  // namespace vila::plan
