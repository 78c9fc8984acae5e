# SPDX-License-Identifier: Apache-2.0
# TensorRT's C++ headers, which no package registry has, and the CUDA header that they include.
#   TENSORRT_INCLUDE_DIR      folder of NvInfer.h: given, below TENSORRT_ROOT (variable or environment), or where NVIDIA's packages put it
#   CUDA_RUNTIME_INCLUDE_DIR  folder of cuda_runtime_api.h: given, or that of a CUDA toolkit
#   VILA_TENSORRT_LIBRARIES   folder of libnvinfer.so.11 and libnvonnxparser.so.11 that the tests load; may be absent at configure time
# Sets TensorRTHeaders_FOUND, says in one line what that means for this build, and defines the target TensorRT::headers.
include_guard()

find_path(TENSORRT_INCLUDE_DIR NvInfer.h
  PATHS ${TENSORRT_ROOT}/include $ENV{TENSORRT_ROOT}/include /usr/local/include/tensorrt /usr/local/tensorrt/include /usr/local/TensorRT/include
    /usr/include/x86_64-linux-gnu /usr/include
  NO_DEFAULT_PATH
  DOC "Folder of NvInfer.h")
find_path(CUDA_RUNTIME_INCLUDE_DIR cuda_runtime_api.h
  PATHS $ENV{CUDA_HOME}/include /usr/local/cuda/include /usr/include
  NO_DEFAULT_PATH
  DOC "Folder of cuda_runtime_api.h")
set(VILA_TENSORRT_LIBRARIES ${PROJECT_SOURCE_DIR}/.deps/tensorrt/lib CACHE PATH "Folder of the TensorRT libraries that the tests load")
set(TensorRTHeaders_FOUND FALSE)
set(without "the parts of the TensorRT backend that need them are not in this build")
if(NOT TENSORRT_INCLUDE_DIR)
  message(STATUS "TensorRT headers: not found; ${without}")
elseif(NOT CUDA_RUNTIME_INCLUDE_DIR)
  message(STATUS "TensorRT headers: found in ${TENSORRT_INCLUDE_DIR}, but no cuda_runtime_api.h, which they include; ${without}")
else()
  file(STRINGS ${TENSORRT_INCLUDE_DIR}/NvInferVersion.h version REGEX "^#define (TRT|NV_TENSORRT)_MAJOR[A-Z_]* [0-9]+")
  if(version MATCHES " 11($|;| )")
    set(TensorRTHeaders_FOUND TRUE)
    message(STATUS "TensorRT headers: found in ${TENSORRT_INCLUDE_DIR}, CUDA's in ${CUDA_RUNTIME_INCLUDE_DIR}")
    if(NOT TARGET TensorRT::headers)
      add_library(TensorRT::headers INTERFACE IMPORTED GLOBAL)
      target_include_directories(TensorRT::headers SYSTEM INTERFACE ${TENSORRT_INCLUDE_DIR} ${CUDA_RUNTIME_INCLUDE_DIR})
    endif()
  else()
    message(STATUS "TensorRT headers: those in ${TENSORRT_INCLUDE_DIR} are not of version 11; ${without}")
  endif()
endif()
