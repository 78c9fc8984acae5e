// SPDX-License-Identifier: Apache-2.0
/** The native library of the backend {@code tensorrt}, and images whose pixels are on a GPU already. */
package io.github.vila4j.gpu;
