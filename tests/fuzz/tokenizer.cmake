# SPDX-License-Identifier: Apache-2.0
vila_fuzz(tokenizer SOURCES tokenizer.cpp LIBS vila_tokenizer vila_test_main)
