// SPDX-License-Identifier: Apache-2.0
#include "plan/tensorrt/logger.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "vila/vila.h"

using namespace vila;                  // NOLINT
using namespace vila::plan::tensorrt;  // NOLINT

TEST_CASE("TensorRT's log: its severities are our levels, a message is one line, the last error is kept once") {
  struct Lines final : LogListener {
    std::vector<std::pair<LogLevel, std::string>> lines;
    void on_log(LogLevel level, const std::string& message) override { lines.emplace_back(level, message); }
  } lines;
  set_log_listener(&lines, LogLevel::trace);
  using Severity = nvinfer1::ILogger::Severity;
  Logger logger;
  CHECK(logger.take_error().empty());
  logger.log(Severity::kVERBOSE, "every tactic");
  logger.log(Severity::kINFO, "a plan\nin two lines");
  logger.log(Severity::kWARNING, "slow");
  CHECK(logger.take_error().empty());
  logger.log(Severity::kERROR, "first");
  logger.log(Severity::kINTERNAL_ERROR, "second");
  set_log_listener(nullptr, LogLevel::trace);
  const std::vector<std::pair<LogLevel, std::string>> expected{{LogLevel::trace, "TensorRT: every tactic"},
                                                               {LogLevel::debug, "TensorRT: a plan in two lines"},
                                                               {LogLevel::warn, "TensorRT: slow"},
                                                               {LogLevel::error, "TensorRT: first"},
                                                               {LogLevel::error, "TensorRT: second"}};
  CHECK(lines.lines == expected);
  CHECK(logger.take_error() == "second");
  CHECK(logger.take_error().empty());
}
