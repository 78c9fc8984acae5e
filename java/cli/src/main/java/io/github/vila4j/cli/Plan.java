// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Compiles plans ahead of use. */
@Command(name = "plan", description = "Compiles a checkpoint's plans into the cache, so that later commands start quickly.")
final class Plan extends BaseCommand {
  @Mixin private ModelOptions model;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Override
  public Integer call() {
    List<String> plans;
    try (Interruption interruption = new Interruption()) {
      plans = model.compile(model.path(), interruption);
    }
    if (json) {
      out().println(Json.pretty(Map.of("plans", plans)));
    } else {
      plans.forEach(out()::println);
    }
    return Main.OK;
  }
}
