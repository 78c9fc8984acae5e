// SPDX-License-Identifier: Apache-2.0
// How much memory loading takes where weights are brought into another form first, against what the loaded model takes. A
// checkpoint of VILA1.5-3b's sizes, all zeros in files without content, is written into a folder, loaded twice and removed.
// Usage: bench_load_memory FOLDER bf16|fp16|fp32|awq PRECISION
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/checkpoint_writer.h"
#include "vila/vila.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;

namespace {

/// Gigabytes of a line of /proc/self/status.
double gigabytes(const std::string& key) {
  std::ifstream lines("/proc/self/status");
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key + ":")) return std::strtod(line.c_str() + key.size() + 1, nullptr) * 1024 / 1e9;
  }
  return 0;
}

RandomCheckpoint shape_of(const std::string& type) {
  RandomCheckpoint s;
  s.hidden = 2560, s.layers = 32, s.heads = s.kv_heads = 20, s.intermediate = 6912, s.vocab = 32000, s.max_positions = 4096;
  s.vision_hidden = 1152, s.vision_layers = 27, s.vision_heads = 16, s.vision_intermediate = 4304, s.patch = 14, s.image = 384;
  s.dtype = type == "bf16" ? DType::bf16 : type == "fp32" ? DType::f32 : DType::f16;
  s.sparse = true;
  if (type == "awq") s.packing = AwqPacking::llm_awq_v2, s.group = 128;
  const char* data = std::getenv("VILA_TEST_DATA");
  s.tokenizer = fs::path(data == nullptr ? "tests/data" : data) / "cases/vila15-llama2-siglip/tokenizer";
  return s;
}

/// Loads the model in a process of its own and prints what it takes.
void load(const fs::path& folder, const std::string& precision, const char* which) {
  if (const pid_t child = ::fork(); child > 0) {
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status != 0) std::exit(1);
    return;
  }
  LoadOptions options;
  options.precision = precision;
  options.cache_dir = (folder / "cache").string();
  const auto start = std::chrono::steady_clock::now();
  const Model model = Model::load((folder / "model").string(), options, nullptr);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double peak = gigabytes("VmHWM");
  // What is mapped counts once it has been read: tower and language model compute something.
  const std::string black(size_t{384} * 384 * 3, '\0');
  const Image image = Image::from_rgb(reinterpret_cast<const uint8_t*>(black.data()), black.size(), 384, 384);
  Prompt prompt;
  prompt.begin_turn(Role::user).add_image(image).add_text("What is this?");
  Session session = model.new_session();
  session.prefill(prompt);
  std::printf("%s load, %s: %.1f s, peak %.2f GB; after a prompt %.2f GB, of it files %.2f GB\n", which,
              model.info().precision.c_str(), seconds, peak, gigabytes("VmRSS"), gigabytes("RssFile"));
  std::exit(0);
}

}  // namespace

int main(int count, char** arguments) try {
  if (count != 4) {
    std::fprintf(stderr, "usage: bench_load_memory FOLDER bf16|fp16|fp32|awq PRECISION\n");
    return 2;
  }
  const fs::path folder = fs::path(arguments[1]) / "load-memory";
  write_checkpoint(folder / "model", shape_of(arguments[2]));
  for (const char* which : {"first", "second"}) load(folder, arguments[3], which);
  fs::remove_all(folder);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
