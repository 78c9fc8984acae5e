# SPDX-License-Identifier: Apache-2.0
vila_fuzz(config SOURCES config.cpp LIBS vila_checkpoint vila_test_main)
