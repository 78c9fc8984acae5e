// SPDX-License-Identifier: Apache-2.0
package io.github.vila4j.cli;

import io.github.vila4j.Check;
import io.github.vila4j.CheckpointReport;
import io.github.vila4j.Vila;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** What this machine has, or what a checkpoint is. */
@Command(
    name = "doctor",
    description = "Looks at the libraries, devices and CPU features that vila4j uses, or at a checkpoint; exit code 1 if it fails.")
final class Doctor extends BaseCommand {
  @Option(
      names = "--model",
      paramLabel = "DIR",
      description = "Look at this checkpoint instead, without loading its weights: what it is, and all that keeps it from running.")
  private Path model;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  @Override
  public Integer call() {
    return model == null ? checkMachine() : checkModel();
  }

  private int checkMachine() {
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

  private int checkModel() {
    CheckpointReport report = Vila.inspect(model);
    if (json) {
      out().println(Json.pretty(ModelReport.json(report)));
    } else {
      ModelReport.lines(report).forEach(out()::println);
    }
    return report.isRunnable() ? Main.OK : Main.FAILED;
  }
}
