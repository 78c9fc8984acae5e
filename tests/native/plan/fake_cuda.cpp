// SPDX-License-Identifier: Apache-2.0
// Looks like NVIDIA's driver to doctor(): the devices that FAKE_CUDA_DEVICES counts, an H200 first, an old one next.
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#define VILA_FAKE extern "C" __attribute__((visibility("default")))
VILA_FAKE int cuInit(unsigned flags);
VILA_FAKE int cuDriverGetVersion(int* number);
VILA_FAKE int cuDeviceGetCount(int* devices);
VILA_FAKE int cuDeviceGet(int* handle, int ordinal);
VILA_FAKE int cuDeviceGetName(char* text, int size, int handle);
VILA_FAKE int cuDeviceTotalMem_v2(size_t* bytes, int handle);
VILA_FAKE int cuDeviceGetAttribute(int* value, int attribute, int handle);

namespace {

int devices() {
  const char* value = std::getenv("FAKE_CUDA_DEVICES");
  return value != nullptr ? std::atoi(value) : -1;
}

}  // namespace

int cuInit(unsigned) { return devices() < 0 ? 100 : 0; }
int cuDriverGetVersion(int* number) { return *number = 13000, 0; }
int cuDeviceGetCount(int* count) { return *count = devices(), 0; }
int cuDeviceGet(int* handle, int ordinal) { return *handle = ordinal + 10, 0; }
int cuDeviceGetName(char* text, int size, int handle) {
  std::snprintf(text, static_cast<size_t>(size), "%s", handle == 10 ? "NVIDIA H200" : "Tesla T4");
  return 0;
}
int cuDeviceTotalMem_v2(size_t* bytes, int handle) { return *bytes = (handle == 10 ? size_t{140} : size_t{15}) << 30, 0; }
int cuDeviceGetAttribute(int* value, int attribute, int handle) {
  if (attribute != 75 && attribute != 76) return 1;
  const bool first = handle == 10;
  *value = attribute == 75 ? (first ? 9 : 7) : (first ? 0 : 5);
  return 0;
}
