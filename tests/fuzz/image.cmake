# SPDX-License-Identifier: Apache-2.0
vila_fuzz(image
  SOURCES image.cpp ${PROJECT_SOURCE_DIR}/tests/native/image/encoders.cpp
  LIBS vila_image PkgConfig::WEBPMUX)
target_include_directories(fuzz_image PRIVATE ${PROJECT_SOURCE_DIR}/tests/native)
