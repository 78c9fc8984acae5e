# SPDX-License-Identifier: Apache-2.0
# The distribution folder: the engine's library, the libraries it needs that a base system does not have, and their licences.
include_guard()

# vila_dist(target): <target> exports only the API (vila.map), finds its libraries in its own folder, and is put together with them
# in <build>/dist by the target `dist`, which is part of `all`. libvila_cuda.so, where it is built, goes to dist/gpu. A sanitizer
# build gets neither: it is not distributed, and the sanitizers' own symbols must stay visible in it.
function(vila_dist target)
  if(VILA_SANITIZE)
    return()
  endif()
  set(map ${PROJECT_SOURCE_DIR}/cmake/vila.map)
  # DT_RPATH, not DT_RUNPATH: it serves the libraries' own needs too.
  target_link_options(${target} PRIVATE -Wl,--disable-new-dtags -Wl,-z,defs -Wl,--version-script=${map})
  set_target_properties(${target} PROPERTIES BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN" LINK_DEPENDS ${map})

  find_package(OnnxRuntime REQUIRED)
  set(script ${PROJECT_SOURCE_DIR}/cmake/dist.cmake)
  set(stamp ${PROJECT_BINARY_DIR}/dist.stamp)
  set(cuda_target)
  set(cuda_argument)
  if(TARGET vila_cuda)
    set(cuda_target vila_cuda)
    set(cuda_argument -DCUDA_LIBRARY=$<TARGET_FILE:vila_cuda>)
  endif()
  add_custom_command(OUTPUT ${stamp}
    COMMAND ${CMAKE_COMMAND} -DLIBRARY=$<TARGET_FILE:${target}> -DONNXRUNTIME=${VILA_ONNXRUNTIME_LIBRARY}
      ${cuda_argument} -DSOURCE=${PROJECT_SOURCE_DIR} -DDIST=${PROJECT_BINARY_DIR}/dist -P ${script}
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${target} ${cuda_target} ${script} ${PROJECT_SOURCE_DIR}/NOTICE ${PROJECT_SOURCE_DIR}/LICENSE
    COMMENT "Collecting the distribution folder"
    VERBATIM)
  add_custom_target(dist ALL DEPENDS ${stamp})
endfunction()
