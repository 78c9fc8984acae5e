// SPDX-License-Identifier: Apache-2.0
// The plain forward pass against the goldens: what agrees with it later agrees with PyTorch.
#include <doctest/doctest.h>

#include <fstream>

#include "reference/forward.h"
#include "support/npy.h"

using namespace vila::reference;  // NOLINT
using vila::testing::data;
using vila::testing::max_abs_difference;
using vila::testing::read_npy;

TEST_CASE("the plain forward pass gives the golden features, tokens and logits") {
  for (const std::string name : {"vila15-llama3-siglip", "vila10-clip-linear"}) {
    CAPTURE(name);
    const fs::path folder = data("cases/" + name);
    const PlainModel model(folder / "model");
    std::ifstream in(folder / "prompts.json");
    const json prompts = json::parse(in);
    for (const json& prompt : prompts["prompts"]) {
      const std::string prompt_name = prompt["name"];
      if (prompt_name != "one_image" && prompt_name != "text_only") continue;
      CAPTURE(prompt_name);
      std::vector<Matrix> images;
      for (const std::string image : prompt["images"]) {
        const fs::path golden = folder / "images" / image;
        const Matrix features = model.features(read_npy(golden / "pixel_values.npy").floats);
        CHECK(max_abs_difference(features.v, read_npy(golden / "vision_features.npy").floats) < 1e-4);
        images.push_back(model.project(features));
        CHECK(max_abs_difference(images.back().v, read_npy(golden / "projected.npy").floats) < 1e-4);
      }
      std::ifstream result_in(folder / "golden" / prompt_name / "result.json");
      const json result = json::parse(result_in);
      std::vector<int> ids = prompt["input_ids"];
      for (int i = 0; i < 3; ++i) ids.push_back(result["greedy_fp32"][static_cast<Size>(i)]);
      const Matrix logits = model.language.logits(model.splice(ids, images));
      const std::vector<float> last(logits.v.end() - static_cast<std::ptrdiff_t>(4 * logits.cols), logits.v.end());
      const double difference = max_abs_difference(last, read_npy(folder / "golden" / prompt_name / "logits_fp32.npy").floats);
      CAPTURE(difference);
      CHECK(difference < 2e-4);
    }
  }
}
