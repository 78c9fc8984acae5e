// SPDX-License-Identifier: Apache-2.0
#include "plan/cuda_driver.h"

#include <cstdio>

#include "common/error.h"
#include "plan/open_library.h"

namespace vila::plan {
namespace {

constexpr const char* kDriverName = "libcuda.so.1";

// Attributes of cuda.h (CUdevice_attribute).
constexpr int kMajorAttribute = 75, kMinorAttribute = 76;

/// What is used of the driver API; every function returns 0 for success.
struct Functions {
  int (*init)(unsigned flags);
  int (*version)(int* number);
  int (*count)(int* devices);
  int (*device)(int* handle, int ordinal);
  int (*name)(char* text, int size, int handle);
  int (*memory)(size_t* bytes, int handle);
  int (*attribute)(int* value, int attribute, int handle);

  bool find(const OpenLibrary& library) {
    return library.find("cuInit", init) && library.find("cuDriverGetVersion", version) && library.find("cuDeviceGetCount", count) &&
           library.find("cuDeviceGet", device) && library.find("cuDeviceGetName", name) &&
           library.find("cuDeviceTotalMem_v2", memory) && library.find("cuDeviceGetAttribute", attribute);
  }
};

CudaDevice look_at_device(const Functions& cuda, int ordinal) {
  CudaDevice device;
  int handle = 0;
  char name[256] = {};
  size_t bytes = 0;
  if (cuda.device(&handle, ordinal) != 0 || cuda.name(name, sizeof name - 1, handle) != 0) {
    device.name = "a device without a name";
    return device;
  }
  device.name = name;
  if (cuda.memory(&bytes, handle) == 0) device.memory_bytes = bytes;
  if (cuda.attribute(&device.major, kMajorAttribute, handle) != 0 || cuda.attribute(&device.minor, kMinorAttribute, handle) != 0) {
    device.major = device.minor = 0;
  }
  return device;
}

}  // namespace

CudaDriver look_at_cuda_driver(const std::string& file) {
  const std::string name = file.empty() ? kDriverName : file;
  CudaDriver driver;
  OpenLibrary library(name);
  if (!library.is_open()) {
    driver.problem = join("no NVIDIA driver (", name, ": ", library.reason(), ")");
    return driver;
  }
  Functions cuda{};
  if (!cuda.find(library)) {
    driver.problem = name + " lacks the functions of a driver";
    return driver;
  }
  library.keep();
  if (const int error = cuda.init(0); error != 0) {
    driver.problem = join(name, " is there but finds no usable device (cuInit: error ", error, ")");
    return driver;
  }
  int count = 0;
  if (cuda.version(&driver.version) != 0) driver.version = 0;
  if (const int error = cuda.count(&count); error != 0) {
    driver.problem = join(name, " does not say how many devices there are (cuDeviceGetCount: error ", error, ")");
    return driver;
  }
  for (int i = 0; i < count; ++i) driver.devices.push_back(look_at_device(cuda, i));
  if (driver.devices.empty()) driver.problem = name + " finds no device (CUDA_VISIBLE_DEVICES hides the ones it does not name)";
  return driver;
}

std::string describe(const CudaDriver& driver, int least_major) {
  if (!driver.problem.empty()) return driver.problem;
  std::string text = join("for CUDA ", driver.version / 1000, ".", driver.version % 1000 / 10, ", ", driver.devices.size(),
                          driver.devices.size() == 1 ? " device: " : " devices: ");
  for (const CudaDevice& device : driver.devices) {
    if (&device != &driver.devices.front()) text += ", ";
    char memory[32];
    std::snprintf(memory, sizeof memory, "%.1f", static_cast<double>(device.memory_bytes) / (1 << 30));
    text += join(device.name, " (", memory, " GiB, compute capability ", device.major, ".", device.minor);
    if (device.major < least_major) text += join(", too old: at least ", least_major, ".0 is needed");
    text += ")";
  }
  return text;
}

}  // namespace vila::plan
