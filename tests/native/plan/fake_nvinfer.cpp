// SPDX-License-Identifier: Apache-2.0
// Looks like libnvinfer to the search for it, and can do nothing.
#include <cstdint>

#define VILA_FAKE extern "C" __attribute__((visibility("default")))
VILA_FAKE int32_t getInferLibVersion();
VILA_FAKE void* createInferBuilder_INTERNAL(void* logger, int32_t version);
VILA_FAKE void* createInferRuntime_INTERNAL(void* logger, int32_t version);
VILA_FAKE void* createInferRefitter_INTERNAL(void* engine, void* logger, int32_t version);
VILA_FAKE void* getPluginRegistry();

int32_t getInferLibVersion() { return FAKE_VERSION; }
void* createInferBuilder_INTERNAL(void*, int32_t) { return nullptr; }
void* createInferRuntime_INTERNAL(void*, int32_t) { return nullptr; }
void* createInferRefitter_INTERNAL(void*, void*, int32_t) { return nullptr; }
void* getPluginRegistry() { return nullptr; }
