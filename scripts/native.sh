# SPDX-License-Identifier: Apache-2.0
# Sourced by setup.sh and test: the native build by preset, in build/PRESET.

# setup_native PRESET [TARGET]: configures the preset and builds the target, or everything. Returns non-zero on failure.
setup_native() {
  local preset=$1 target=${2:-all} folder=$root/build/$1
  if [ -e "$folder/CMakeCache.txt" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$folder/CMakeCache.txt"; then
    rm -rf "$folder" # made when the checkout lay elsewhere
  fi
  if [ ! -e "$folder/CMakeCache.txt" ]; then
    ! command -v ninja >/dev/null || export CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}
    if command -v ccache >/dev/null; then
      export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER:-ccache}
      export CMAKE_CUDA_COMPILER_LAUNCHER=${CMAKE_CUDA_COMPILER_LAUNCHER:-ccache}
    fi
  fi
  step "configuring the native $preset build" "configure-$preset" cmake -S "$root" --preset "$preset" || return
  step "native $preset build" "build-$preset" cmake --build "$folder" --target "$target" --parallel "$(jobs_at_once)"
}
