# SPDX-License-Identifier: Apache-2.0
# TensorRT's C++ headers, which no package registry has: TENSORRT_ROOT (variable or environment), or where NVIDIA's packages put
# them. Sets TensorRTHeaders_FOUND and TENSORRT_INCLUDE_DIR, and says in one line what that means for this build.
include_guard()

find_path(TENSORRT_INCLUDE_DIR NvInfer.h
  PATHS ${TENSORRT_ROOT}/include $ENV{TENSORRT_ROOT}/include /usr/local/include/tensorrt /usr/local/tensorrt/include /usr/local/TensorRT/include
    /usr/include/x86_64-linux-gnu /usr/include
  NO_DEFAULT_PATH
  DOC "Folder of NvInfer.h")
if(TENSORRT_INCLUDE_DIR)
  set(TensorRTHeaders_FOUND TRUE)
  message(STATUS "TensorRT headers: found in ${TENSORRT_INCLUDE_DIR}; this version has no TensorRT backend to build with them")
else()
  set(TensorRTHeaders_FOUND FALSE)
  message(STATUS "TensorRT headers: not found; the TensorRT backend is not part of this build")
endif()
