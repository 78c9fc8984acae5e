// SPDX-License-Identifier: Apache-2.0
#include "session/precision.h"

#include "common/error.h"

namespace vila {

const char* name_of(Precision precision) {
  switch (precision) {
    case Precision::fp32: return "fp32";
    case Precision::bf16: return "bf16";
    case Precision::int8: return "int8";
    case Precision::int4: return "int4";
  }
  return "?";
}

std::optional<Precision> parse_precision(const std::string& name) {
  if (name == "default") return std::nullopt;
  for (const Precision precision : kPrecisions) {
    if (name == name_of(precision)) return precision;
  }
  fail(ErrorCode::invalid_argument, "precision: \"", name, "\", expected default, fp32, bf16, int8 or int4");
}

}  // namespace vila
