// SPDX-License-Identifier: Apache-2.0
/** A world of drawn shapes: images, questions about them and their right answers, all made from seeds. */
package io.github.vila4j.shapes;
