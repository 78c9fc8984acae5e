// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/entry_log.h"

#include <string>

#include "common/log.h"

namespace vila::plan::tensorrt {
namespace {

class Forwarder final : public LogListener {
 public:
  explicit Forwarder(const EntryLog& log) : log_(log) {}
  void on_log(LogLevel level, const std::string& message) override {
    if (log_.enabled(level)) log_.line(level, message.c_str());
  }

 private:
  const EntryLog& log_;
};

}  // namespace

void forward_log(const EntryLog& log) {
  static auto* const forwarder = new Forwarder(log);  // never destroyed
  set_log_listener(forwarder, LogLevel::trace);
}

}  // namespace vila::plan::tensorrt
