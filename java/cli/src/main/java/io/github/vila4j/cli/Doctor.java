// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.Check;
import io.github.vila4j.Vila;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** What this machine has. */
@Command(
    name = "doctor",
    description = "Looks at the libraries, devices and CPU features that vila4j uses; exit code 1 if it cannot work.")
final class Doctor extends BaseCommand {
  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Override
  public Integer call() {
    List<Check> checks = new ArrayList<>();
    String vm = System.getProperty("java.vm.name") + ", " + System.getProperty("java.home");
    checks.add(new Check("Java", true, true, System.getProperty("java.version") + ", " + vm));
    checks.addAll(Vila.doctor());
    if (json) {
      out().println(Json.pretty(Map.of("checks", checks)));
    } else {
      for (Check check : checks) {
        String state = check.ok() ? "ok     " : check.required() ? "MISSING" : "absent ";
        out().println(state + " " + check.name() + ": " + check.detail());
      }
    }
    return checks.stream().allMatch(check -> check.ok() || !check.required()) ? Main.OK : Main.FAILED;
  }
}
