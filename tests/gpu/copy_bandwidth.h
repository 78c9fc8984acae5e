// SPDX-License-Identifier: Apache-2.0
// What the memory of a GPU gives: the measure of every decode step, which reads the weights once.
#pragma once

#include <optional>

/// Bytes a second, read and written ones both counted, of the fastest of some copies of 1 GiB within the memory of the first CUDA
/// device (less where that is not free), through the driver's own library. Empty where there is no driver, device or memory.
std::optional<double> copy_bytes_per_second();
