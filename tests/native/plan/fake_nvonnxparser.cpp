// SPDX-License-Identifier: Apache-2.0
// Looks like libnvonnxparser to the search for it, and can do nothing.
extern "C" __attribute__((visibility("default"))) void* createNvOnnxParser_INTERNAL(void* network, void* logger, int version);

void* createNvOnnxParser_INTERNAL(void*, void*, int) { return nullptr; }
