# SPDX-License-Identifier: Apache-2.0
vila_fuzz(prompts SOURCES prompts.cpp LIBS vila_prompt)
