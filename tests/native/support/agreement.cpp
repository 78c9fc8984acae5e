// SPDX-License-Identifier: Apache-2.0
#include "support/agreement.h"

#include <cstdlib>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace vila::testing {

void record(const Agreement& agreement) {
  const char* path = std::getenv("VILA_AGREEMENTS");
  if (path == nullptr) return;
  static std::mutex mutex;
  static bool begun = false;  // A run starts its file anew.
  const std::lock_guard lock(mutex);
  std::ofstream out(path, begun ? std::ios::app : std::ios::trunc);
  begun = true;
  const nlohmann::ordered_json line = {{"model", agreement.model},
                                       {"layout", agreement.layout},
                                       {"particular", agreement.particular},
                                       {"reference", agreement.reference},
                                       {"prompts", agreement.prompts},
                                       {"precision", agreement.precision},
                                       {"features", agreement.features},
                                       {"tokens", agreement.tokens},
                                       {"logits", agreement.logits},
                                       {"feature_tolerance", agreement.feature_tolerance},
                                       {"logit_tolerance", agreement.logit_tolerance}};
  out << line.dump() << '\n';
  out.flush();
  if (!out) throw std::runtime_error(std::string("cannot write ") + path);
}

}  // namespace vila::testing
