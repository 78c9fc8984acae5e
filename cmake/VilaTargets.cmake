# SPDX-License-Identifier: Apache-2.0
# Functions every folder uses: one static library per room, one executable per test.
include_guard()

if(VILA_SANITIZE)
  add_compile_options(-fsanitize=${VILA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${VILA_SANITIZE})
  add_compile_options(-Wno-maybe-uninitialized) # instrumented code raises false ones (GCC); the other builds keep the warning
endif()

set(VILA_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND VILA_WARNINGS -Wno-restrict) # wrong about std::string::insert in GCC 12 (GCC bug 105651)
endif()

# vila_room(name SOURCES files... LIBS libraries...)
function(vila_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(vila_${name} STATIC ${ARG_SOURCES})
  target_include_directories(vila_${name} PUBLIC ${PROJECT_SOURCE_DIR}/native/src ${PROJECT_SOURCE_DIR}/native/include)
  target_compile_options(vila_${name} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${VILA_WARNINGS}>")
  target_compile_options(vila_${name} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${VILA_CUDA_OPTIONS}>")
  target_link_libraries(vila_${name} PUBLIC ${ARG_LIBS})
endfunction()

# vila_test(name SOURCES files... LIBS libraries...): a doctest executable, registered with ctest; tests find their data through
# the environment variable VILA_TEST_DATA.
function(vila_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(test_${name} ${ARG_SOURCES})
  target_compile_options(test_${name} PRIVATE ${VILA_WARNINGS})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(test_${name} PRIVATE ${ARG_LIBS} vila_test_main)
  add_test(NAME ${name} COMMAND test_${name})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "VILA_TEST_DATA=${PROJECT_SOURCE_DIR}/tests/data;VILA_ONNXRUNTIME=${VILA_ONNXRUNTIME_LIBRARY}")
endfunction()

# vila_test_limited(name LEVELS sets... [ARGS arguments...]): the same executable again under each of these instruction sets
# (VILA_CPU), as test <name>_<set>. Its main() must be tests/native/session/limited_main.cpp.
function(vila_test_limited name)
  cmake_parse_arguments(ARG "" "" "LEVELS;ARGS" ${ARGN})
  get_test_property(${name} ENVIRONMENT environment)
  foreach(level ${ARG_LEVELS})
    add_test(NAME ${name}_${level} COMMAND test_${name} ${ARG_ARGS})
    set_tests_properties(${name}_${level} PROPERTIES ENVIRONMENT "${environment};VILA_CPU=${level}" SKIP_RETURN_CODE 77)
  endforeach()
endfunction()

# vila_records(names...): these tests record agreements (tests/native/support/agreement.h), rows of the table in docs/models.md.
function(vila_records)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/agreements)
  foreach(name ${ARGN})
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT VILA_AGREEMENTS=${PROJECT_BINARY_DIR}/agreements/${name}.jsonl)
    set_property(TEST ${name} PROPERTY FIXTURES_SETUP agreements)
    set_property(GLOBAL APPEND PROPERTY VILA_RECORDING ${name})
  endforeach()
endfunction()

# vila_fuzz(name SOURCES files... LIBS libraries...): a mutation fuzz target (see tests/fuzz/fuzz.h), run by ctest for
# VILA_FUZZ_SECONDS (environment of the test run, default 20).
function(vila_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(fuzz_${name} ${ARG_SOURCES})
  target_compile_options(fuzz_${name} PRIVATE ${VILA_WARNINGS})
  target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(fuzz_${name} PRIVATE ${ARG_LIBS})
  add_test(NAME fuzz_${name} COMMAND fuzz_${name})
  set_tests_properties(fuzz_${name} PROPERTIES ENVIRONMENT "VILA_TEST_DATA=${PROJECT_SOURCE_DIR}/tests/data" LABELS fuzz)
endfunction()
