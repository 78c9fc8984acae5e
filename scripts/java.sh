# SPDX-License-Identifier: Apache-2.0
# Sourced by setup.sh: the Java build, and what starts the command line quickly.

maven_dependency_plugin=org.apache.maven.plugins:maven-dependency-plugin:3.11.0
java_tool=${JAVA_HOME:+$JAVA_HOME/bin/}java
jar_tool=${JAVA_HOME:+$JAVA_HOME/bin/}jar
cli_main=io.github.vila4j.cli.Main
cli_arguments=$root/build/vila4j.args # options of the java command, read by ./vila4j

# maven PHASE OPTION...: the whole Java build with the natives of the release build; writes each module's class path too.
maven() {
  (cd "$root" && mvn -B -ntp "$@" -Dvila.native.dir="$root/build/release/dist" \
    "$maven_dependency_plugin:build-classpath" -Dmdep.includeScope=runtime -Dmdep.outputFile=target/classpath.txt)
}

# The CLI's class path after a Maven build.
cli_classpath() {
  local target=$root/java/cli/target jar
  jar=$(find "$target" -maxdepth 1 -name 'vila4j-cli-*.jar' ! -name '*-sources.jar' ! -name '*-javadoc.jar')
  [ -f "$jar" ] && [ -s "$target/classpath.txt" ] || return
  printf '%s:%s' "$jar" "$(cat "$target/classpath.txt")"
}

# Writes the java options of the command line, with an archive of its loaded classes, which shortens the start. Messages of the
# JVM go to stderr: stdout belongs to the command.
write_cli_arguments() {
  local classpath archive=$root/build/vila4j.jsa
  classpath=$(cli_classpath) || fail "the Java build left no command line in java/cli/target"
  rm -f "$cli_arguments" "$archive"
  printf '%s\n' -Xlog:disable -Xlog:all=error:stderr -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "\"$classpath\"" >"$cli_arguments.new"
  if "$java_tool" "@$cli_arguments.new" "-XX:ArchiveClassesAtExit=$archive" "$cli_main" --help >"$root/build/logs/archive.log" 2>&1; then
    printf '%s\n' "\"-XX:SharedArchiveFile=$archive\"" >>"$cli_arguments.new"
  fi
  mv "$cli_arguments.new" "$cli_arguments"
}
