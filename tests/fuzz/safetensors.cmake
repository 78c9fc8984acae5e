# SPDX-License-Identifier: Apache-2.0
vila_fuzz(safetensors SOURCES safetensors.cpp LIBS vila_checkpoint vila_test_main)
