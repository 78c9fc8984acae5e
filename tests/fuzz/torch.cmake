# SPDX-License-Identifier: Apache-2.0
vila_fuzz(torch SOURCES torch.cpp LIBS vila_checkpoint vila_test_main)
