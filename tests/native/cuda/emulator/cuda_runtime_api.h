// SPDX-License-Identifier: Apache-2.0
// The part of the CUDA runtime that TensorRT's headers include.
#pragma once

#include "cuda_runtime.h"
