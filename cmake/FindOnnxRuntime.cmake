# SPDX-License-Identifier: Apache-2.0
# ONNX Runtime without linking it: its C headers for the build, its library for the tests.
#   VILA_ONNXRUNTIME_INCLUDE_DIR  folder of onnxruntime_c_api.h: given, or <root>/.deps/onnxruntime/include, or the system's
#   VILA_ONNXRUNTIME_LIBRARY      libonnxruntime.so that the tests load; may be absent at configure time
# Defines the target OnnxRuntime::headers. The C API is ABI-stable: a library at least as new as the headers will do.
include_guard()

find_path(VILA_ONNXRUNTIME_INCLUDE_DIR onnxruntime_c_api.h
  PATHS ${PROJECT_SOURCE_DIR}/.deps/onnxruntime/include /usr/local/include/onnxruntime /usr/include/onnxruntime
  NO_DEFAULT_PATH
  DOC "Folder of onnxruntime_c_api.h")
if(NOT VILA_ONNXRUNTIME_INCLUDE_DIR OR NOT EXISTS ${VILA_ONNXRUNTIME_INCLUDE_DIR}/onnxruntime_c_api.h)
  message(FATAL_ERROR
    "onnxruntime_c_api.h was not found in VILA_ONNXRUNTIME_INCLUDE_DIR (${VILA_ONNXRUNTIME_INCLUDE_DIR}), "
    "${PROJECT_SOURCE_DIR}/.deps/onnxruntime/include or /usr/include/onnxruntime. "
    "Run ./test or ./vila4j once (their set-up fetches it), install libonnxruntime-dev, or pass "
    "-DVILA_ONNXRUNTIME_INCLUDE_DIR=<folder of the header>.")
endif()
set(VILA_ONNXRUNTIME_LIBRARY ${PROJECT_SOURCE_DIR}/.deps/onnxruntime/lib/libonnxruntime.so CACHE FILEPATH
  "libonnxruntime.so that the tests load")

if(NOT TARGET OnnxRuntime::headers)
  add_library(OnnxRuntime::headers INTERFACE IMPORTED GLOBAL)
  target_include_directories(OnnxRuntime::headers SYSTEM INTERFACE ${VILA_ONNXRUNTIME_INCLUDE_DIR})
endif()
