// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j;

import io.github.vila4j.internal.CheckVector;
import java.util.ArrayList;
import java.util.List;

/**
 * One line of a self-check ({@link Vila#doctor()}).
 *
 * @param name what was looked at
 * @param ok whether it can be used
 * @param required whether vila4j cannot work at all without it
 * @param detail version and path, or what is missing and what to do about it, in plain words
 */
public record Check(String name, boolean ok, boolean required, String detail) {
  static List<Check> list(CheckVector vector) {
    List<Check> list = new ArrayList<>();
    for (long i = 0; i < vector.size(); i++) {
      io.github.vila4j.internal.Check check = vector.get(i);
      list.add(new Check(Text.take(check.name()), check.ok(), check.required(), Text.take(check.detail())));
    }
    return List.copyOf(list);
  }
}
