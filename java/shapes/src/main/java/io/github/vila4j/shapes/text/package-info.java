// SPDX-License-Identifier: Apache-2.0
/** The tokenizer that a small model of the drawn world is trained with. */
package io.github.vila4j.shapes.text;
