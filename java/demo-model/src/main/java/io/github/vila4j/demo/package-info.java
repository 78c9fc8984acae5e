// SPDX-License-Identifier: Apache-2.0
/** A small trained model in a jar, to try vila4j with. */
package io.github.vila4j.demo;
