// SPDX-License-Identifier: Apache-2.0
// Configuration files of every family: one file of a good checkpoint is replaced by the input, then the spec is read.
#include <map>

#include "checkpoint/checkpoint.h"
#include "checkpoint/needed_tensors.h"
#include "fuzz/fuzz.h"
#include "support/checkpoint_writer.h"
#include "support/npy.h"

namespace {

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
namespace fs = std::filesystem;
using Layout = RandomCheckpoint::Layout;
using Tower = RandomCheckpoint::Tower;

/// A configuration file and the checkpoint it belongs to.
struct Target {
  fs::path checkpoint, file;
  std::string content;
};

void write_families(const fs::path& folder) {
  RandomCheckpoint shape;
  shape.tokenizer = data("cases/vila15-llama3-siglip/model/llm");
  shape.shards = 2;
  write_checkpoint(folder / "vila1.5", shape);
  shape.s2_scales = "20,40";
  write_checkpoint(folder / "s2", shape);
  shape.qwen2 = true;
  shape.aspect = "dynamic_s2";
  shape.s2_scales = "20,40,60";
  write_checkpoint(folder / "nvila", shape);
  shape = {};
  shape.tokenizer = data("cases/vila15-llama2-siglip/tokenizer");
  shape.tower = Tower::internvit;
  write_checkpoint(folder / "internvit", shape);
  shape.tower = Tower::clip;
  shape.layout = Layout::llava_hf;
  write_checkpoint(folder / "llava-hf", shape);
  shape.layout = Layout::one_folder_inside;
  shape.projector = "mlp2x_gelu";
  shape.aspect = "pad";
  shape.shards = 2;
  write_checkpoint(folder / "vila1.0", shape);
  write_file(folder / "vila1.0" / "generation_config.json", R"({"eos_token_id":[2,3]})");
}

std::vector<Target> find_targets(const fs::path& folder) {
  std::map<fs::path, Target> sorted;
  for (const fs::directory_entry& checkpoint : fs::directory_iterator(folder)) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(checkpoint)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".json") && name != "tokenizer.json" && name != "special_tokens_map.json") {
        sorted[entry.path()] = {checkpoint.path(), entry.path(), fuzz::read_seed(entry.path().string())};
      }
    }
  }
  std::vector<Target> targets;
  for (auto& [path, target] : sorted) targets.push_back(std::move(target));
  return targets;
}

void check(const ModelSpec& spec) {
  if (spec.tokens_per_image() < 1) throw std::runtime_error("an image without tokens");
  if (spec.prompt.max_length < 1) throw std::runtime_error("a prompt without room");
  for (const NeededTensor& needed : needed_tensors(spec)) {
    for (const int64_t dim : needed.shape) {
      if (dim < 1) throw std::runtime_error("a tensor without elements");
    }
  }
}

/// open() throws exactly when survey() finds a problem.
void check_survey(const std::string& folder) {
  std::vector<std::string> problems;
  Checkpoint::survey(folder, problems);
  std::string error;
  try {
    Checkpoint::open(folder);
  } catch (const Error& e) {
    error = e.what();
  }
  if (error.empty() != problems.empty()) {
    throw std::runtime_error(error.empty() ? "opened, but: " + problems.front() : "no problem found, but: " + error);
  }
}

}  // namespace

int main() {
  const TempDir dir;
  write_families(dir.path());
  const std::vector<Target> targets = find_targets(dir.path());
  // The first byte of an input says which file it replaces.
  std::vector<std::string> seeds;
  for (size_t i = 0; i < targets.size(); ++i) seeds.push_back(static_cast<char>('0' + i) + targets[i].content);
  const std::vector<std::string> tokens = {"null",
                                           "true",
                                           "false",
                                           "-1",
                                           "0",
                                           "1e30",
                                           "1e400",
                                           "2147483648",
                                           "9223372036854775807",
                                           "18446744073709551615",
                                           "[]",
                                           "{}",
                                           "\"\"",
                                           "\"linear\"",
                                           "\"mlp9x_gelu\"",
                                           "\"dynamic_s2\"",
                                           "\"s2\":true,",
                                           "\"rope_scaling\":{\"type\":\"linear\",\"factor\":1024},",
                                           "\"head_dim\":2,",
                                           "\"model_max_length\":2147483648,",
                                           "\"text_config\":{},",
                                           "\"../..\"",
                                           "\\u0000",
                                           "\"vila\""};
  return fuzz::run("config", seeds, tokens, [&targets](const std::string& input) {
    if (input.empty()) return;
    const Target& target = targets[(static_cast<size_t>(static_cast<unsigned char>(input[0])) + 256 - '0') % 256 % targets.size()];
    write_file(target.file, input.substr(1));
    const std::unique_ptr<const Target, void (*)(const Target*)> restore(&target,
                                                                         [](const Target* t) { write_file(t->file, t->content); });
    check_survey(target.checkpoint.string());
    check(read_model_spec(target.checkpoint.string()));
  });
}
