# SPDX-License-Identifier: Apache-2.0
# libvila_cuda.so, target vila_cuda: the TensorRT backend with the CUDA kernels, which libvila.so opens when that backend is asked for.
# It needs nothing but libc and libstdc++: cudart is inside, TensorRT and the driver are opened at run time. Where TensorRT's headers
# or nvcc are missing it is not built, and a line says so.
include_guard()

if(VILA_SANITIZE)
  return() # a line of VilaCuda has said so
endif()
if(NOT VILA_CUDA OR NOT TensorRTHeaders_FOUND)
  message(STATUS "libvila_cuda.so (backend tensorrt): not built, because TensorRT's headers or nvcc are missing (see above)")
  return()
endif()
message(STATUS "libvila_cuda.so (backend tensorrt): built")
set(room ${PROJECT_SOURCE_DIR}/native/src/plan/tensorrt)
add_library(vila_cuda SHARED ${room}/backend.cpp ${room}/cache_buffers.cpp ${room}/device.cpp ${room}/device_cache.cpp
  ${room}/device_decoder.cpp ${room}/device_group.cpp ${room}/device_plan.cpp ${room}/element_rows.cpp ${room}/engine_backend.cpp
  ${room}/entry_log.cpp ${room}/resident_table.cpp ${room}/step_inputs.cpp)
target_compile_options(vila_cuda PRIVATE ${VILA_WARNINGS})
target_link_libraries(vila_cuda PRIVATE vila_tensorrt vila_cuda_kernels)
set(map ${PROJECT_SOURCE_DIR}/cmake/vila_cuda.map)
target_link_options(vila_cuda PRIVATE -Wl,-z,defs -Wl,--gc-sections -Wl,--version-script=${map})
set_target_properties(vila_cuda PROPERTIES LINK_DEPENDS ${map})
