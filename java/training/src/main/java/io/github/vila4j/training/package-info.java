// SPDX-License-Identifier: Apache-2.0
/** Trains a tiny VILA: a tower, a projector and a language model by VILA's own stages. */
package io.github.vila4j.training;
