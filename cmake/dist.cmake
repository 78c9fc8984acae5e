# SPDX-License-Identifier: Apache-2.0
# Script: puts LIBRARY, ONNXRUNTIME and what LIBRARY needs into the folder DIST, licences in DIST/licenses. SOURCE is the project's
# folder. CUDA_LIBRARY, where it is given, goes to DIST/gpu, with licences. The folder is made anew under another name and renamed.
cmake_minimum_required(VERSION 3.25)

# What every glibc system with a C++ runtime has; everything else is bundled.
set(base_system "^(ld-linux-x86-64|libc|libm|libdl|librt|libpthread|libstdc\\+\\+|libgcc_s)\\.so\\.")
# Header-only libraries inside LIBRARY: Debian packages.
set(compiled_in libprotozero-dev nlohmann-json3-dev libxxhash-dev)

# copy_licence(package): Debian's copyright file of an installed package.
function(copy_licence package)
  set(file /usr/share/doc/${package}/copyright)
  if(EXISTS ${file})
    file(COPY_FILE ${file} ${new}/licenses/${package}.txt)
  else()
    message(WARNING "no licence of ${package} in ${file}; NOTICE names it")
  endif()
endfunction()

# package_of(library variable): the Debian package that owns a library, or nothing.
function(package_of library variable)
  file(REAL_PATH ${library} real)
  string(REGEX REPLACE "^/usr/lib/" "/lib/" merged ${real}) # the path before /lib and /usr/lib became one
  foreach(path ${real} ${merged})
    execute_process(COMMAND dpkg-query -S ${path} OUTPUT_VARIABLE owner ERROR_QUIET RESULT_VARIABLE status)
    if(status STREQUAL 0 AND owner MATCHES "^([^:]+):")
      set(${variable} ${CMAKE_MATCH_1} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${variable} "" PARENT_SCOPE)
endfunction()

if(NOT EXISTS ${ONNXRUNTIME})
  message(FATAL_ERROR "ONNX Runtime's library is not at ${ONNXRUNTIME}; ./vila4j and ./test fetch it")
endif()
set(new ${DIST}.new)
file(REMOVE_RECURSE ${new})
file(MAKE_DIRECTORY ${new}/licenses)
file(COPY ${LIBRARY} ${ONNXRUNTIME} DESTINATION ${new})
file(COPY ${SOURCE}/LICENSE ${SOURCE}/NOTICE DESTINATION ${new}/licenses)
cmake_path(GET ONNXRUNTIME PARENT_PATH onnxruntime_folder)
if(EXISTS ${onnxruntime_folder}/../licenses)
  file(COPY ${onnxruntime_folder}/../licenses/ DESTINATION ${new}/licenses)
endif()
if(CUDA_LIBRARY) # whatever it needs is opened at run time
  file(COPY ${CUDA_LIBRARY} DESTINATION ${new}/gpu)
  file(COPY ${SOURCE}/LICENSE ${SOURCE}/NOTICE DESTINATION ${new}/gpu/licenses)
endif()

file(GET_RUNTIME_DEPENDENCIES LIBRARIES ${LIBRARY} RESOLVED_DEPENDENCIES_VAR needed UNRESOLVED_DEPENDENCIES_VAR unresolved
  PRE_EXCLUDE_REGEXES ${base_system})
if(unresolved)
  message(FATAL_ERROR "${LIBRARY} needs libraries that are nowhere to be found: ${unresolved}")
endif()
foreach(library ${needed})
  cmake_path(GET library FILENAME name)
  file(REAL_PATH ${library} real)
  file(COPY_FILE ${real} ${new}/${name})
  package_of(${library} package)
  if(package)
    copy_licence(${package})
  endif()
endforeach()
foreach(package ${compiled_in})
  copy_licence(${package})
endforeach()
file(REMOVE_RECURSE ${DIST})
file(RENAME ${new} ${DIST})
