// SPDX-License-Identifier: Apache-2.0
// What a checkpoint is, in words and figures, from its configuration and headers.
#include "session/report.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <set>

#include "common/error.h"
#include "common/problems.h"
#include "graph/bf16_matrices.h"
#include "graph/builders.h"
#include "graph/graph.h"
#include "graph/names.h"
#include "graph/packed_weights.h"
#include "image/tiling.h"
#include "prompt/prompt.h"
#include "session/precision_choice.h"
#include "session/quantized_layers.h"
#include "tokenizer/tokenizer.h"

namespace vila {
namespace {

using Tiling = PreprocessSpec::Tiling;

constexpr int64_t kMostInt32 = std::numeric_limits<int32_t>::max();

int32_t to_int32(int64_t value) { return static_cast<int32_t>(std::clamp<int64_t>(value, 0, kMostInt32)); }

const char* name_of(VisionSpec::Kind kind) {
  switch (kind) {
    case VisionSpec::Kind::clip: return "clip";
    case VisionSpec::Kind::siglip: return "siglip";
    case VisionSpec::Kind::internvit: return "internvit";
  }
  return "?";
}

const char* name_of(PreprocessSpec::Fit fit) {
  switch (fit) {
    case PreprocessSpec::Fit::squash: return "squash";
    case PreprocessSpec::Fit::pad: return "pad";
    case PreprocessSpec::Fit::center_crop: return "center crop";
  }
  return "?";
}

std::string describe_language(const LanguageSpec& s) {
  return join(s.model_type, ": ", s.layers, " layers, hidden ", s.hidden, ", ", s.heads, " heads, ", s.kv_heads, " KV heads, FFN ",
              s.intermediate);
}

std::string describe_vision(const VisionSpec& s) {
  return join(name_of(s.kind), ": ", s.run_layers, " of ", s.layers, " layers, hidden ", s.hidden, ", ", s.image, " px, patch ",
              s.patch);
}

std::string describe_preprocessing(const PreprocessSpec& s) {
  std::string text = join(name_of(s.fit), " to ", s.size, "x", s.size);
  std::string scales;
  for (const int64_t scale : s.scales) scales += (scales.empty() ? "" : ", ") + std::to_string(scale);
  switch (s.tiling) {
    case Tiling::none:
      if (!scales.empty()) text += join(", then the scales ", scales, " in crops of ", s.split_size);
      break;
    case Tiling::dynamic: text += join("; an image alone: ", s.min_tiles, " to ", s.max_tiles, " tiles and a thumbnail"); break;
    case Tiling::dynamic_s2:
      text += join("; an image alone: tiles at the scales ", scales, ", ", s.min_tiles, " to ", s.max_tiles, " at the last");
      break;
  }
  return text;
}

std::string describe_tokenizer(const TokenizerSpec& s) {
  switch (s.kind) {
    case TokenizerSpec::Kind::sentencepiece: return "SentencePiece, tokenizer.model";
    case TokenizerSpec::Kind::bpe_json: return "byte-level BPE, tokenizer.json";
    case TokenizerSpec::Kind::bpe_files: return "byte-level BPE, vocab.json and merges.txt";
  }
  return "";
}

/// The fewest and most image tokens of a prompt with one image.
void count_single_image(CheckpointReport& report, const ModelSpec& spec) {
  const int64_t block = spec.tokens_per_image();
  int64_t least = 1, most = 1;
  if (spec.preprocess.tiling != Tiling::none) {
    const std::vector<TileGrid> grids = tile_grids(spec.preprocess.min_tiles, spec.preprocess.max_tiles);
    least = grids.front().count();
    most = grids.back().count();
    if (spec.preprocess.tiling == Tiling::dynamic) {  // The thumbnail.
      least += least > 1 ? 1 : 0;
      most += most > 1 ? 1 : 0;
    }
  }
  report.min_single_image_tokens = to_int32(block * least);
  report.max_single_image_tokens = to_int32(block * most);
}

int64_t file_bytes(const Checkpoint& checkpoint) {
  std::set<const MappedFile*> files;
  std::set<std::string> paths;
  int64_t bytes = 0;
  for (const TensorStore* store : {&checkpoint.language(), &checkpoint.vision(), &checkpoint.projector()}) {
    for (const auto& [name, tensor] : store->all()) {
      if (!files.insert(tensor.file.get()).second || !paths.insert(tensor.file->path()).second) continue;
      bytes += static_cast<int64_t>(tensor.file->size());
    }
  }
  return bytes;
}

bool is_float(DType t) { return t == DType::f32 || t == DType::f16 || t == DType::bf16; }

/// Adds what a graph takes on disk and, with its float weights widened to fp32 but for those of products in bf16, in memory.
void add_plan(CheckpointReport& report, const graph::Graph& graph) {
  report.plan_bytes += static_cast<int64_t>(graph::serialize(graph).size());
  std::set<std::string> kept;
  for (const graph::Node& node : graph.nodes) {
    if (node.op == graph::names::kBf16Linear) kept.insert(node.inputs.at(1));
  }
  for (const graph::Initializer& initializer : graph.initializers) {
    if (!initializer.source) {
      report.weight_memory_bytes += static_cast<int64_t>(initializer.inline_data.size());
    } else {
      const TensorRef& tensor = *initializer.source;
      const bool widened = is_float(tensor.dtype) && !kept.contains(initializer.name);
      report.weight_memory_bytes += widened ? tensor.elements() * int64_t{sizeof(float)} : static_cast<int64_t>(tensor.bytes);
    }
  }
}

/// Writes the graphs as a plan would have them, but for the rotary tables, whose size is known without computing them.
void measure_plans(CheckpointReport& report, const Checkpoint& checkpoint, Precision precision) {
  const ModelSpec& spec = checkpoint.spec();
  LanguageSpec language = spec.language;
  const int64_t rows = language.max_positions - 1;
  language.max_positions = 1;
  const auto measure = [&](const TensorStore& tensors, const BuildGraph& build) {
    std::optional<graph::QuantizedWeights> quantized;
    TensorStore matrices;
    graph::BuildOptions options;
    options.cache = cache_dtype(precision);
    options.bf16_matrices = precision == Precision::bf16;
    if (options.bf16_matrices) {
      const auto layers = matrices_beside(build, language, tensors, spec.synthetic);
      matrices = graph::outline_matrices(layers, tensors);
      options.matrices = &matrices;
      if (!layers.empty()) report.plan_bytes += graph::matrices_bytes(layers);
    }
    if (quantizes(precision)) {
      const auto layers = quantized_layers(build, language, precision, {});
      options.quantized = &quantized.emplace(graph::QuantizedWeights::outline(layers, tensors));
      report.plan_bytes += graph::quantized_weights_bytes(layers);
    }
    add_plan(report, build(options));
  };
  attempt([&] {
    measure(checkpoint.vision(), [&](const graph::BuildOptions& build) { return graph::build_vision(checkpoint, build); });
  });
  attempt([&] {
    measure(checkpoint.projector(), [&](const graph::BuildOptions& build) { return graph::build_projector(checkpoint, build); });
  });
  attempt([&] {
    std::optional<graph::PackedWeights> packed;
    if (language.packing != LanguageSpec::Packing::none) {
      packed = graph::PackedWeights::outline(language, checkpoint.language());
      if (!quantizes(precision)) report.plan_bytes += graph::packed_weights_bytes(language, checkpoint.language());
    }
    measure(checkpoint.language(), [&](const graph::BuildOptions& build) {
      return graph::build_language(language, checkpoint.language(), build, packed ? &*packed : nullptr);
    });
  });
  const int64_t tables = rows * language.head_dim * int64_t{sizeof(float)};  // head_dim / 2 cosines and as many sines a row
  if (tables > kMostInt32) {
    object(ErrorCode::unsupported, "language model: ", spec.language.max_positions, " positions need rotary tables of ", tables,
           " bytes, a plan holds at most ", kMostInt32);
  }
  report.plan_bytes += tables;
  report.weight_memory_bytes += tables;
}

/// Opens the tokenizer and checks that it and the prompt's spec agree on the token of an image.
void inspect_tokenizer(CheckpointReport& report, const ModelSpec& spec) {
  report.tokenizer = describe_tokenizer(spec.tokenizer);
  const std::shared_ptr<const TokenizerBase> tokenizer = open_tokenizer(spec.tokenizer);
  report.tokenizer_size = tokenizer->vocab_size();
  tokenize_prompt({{"", 0}, {"\n", PromptPart::kText}}, *tokenizer, spec.prompt);
}

}  // namespace

std::string plan_precision(const LanguageSpec& language, Precision precision, size_t kept) {
  const auto layers = static_cast<size_t>(language.layers) * block_linears(language, 0).size();
  if (kept > 0) return join(name_of(precision), ", ", kept, " of ", layers, " layers int8");
  if (language.packing == LanguageSpec::Packing::none) return name_of(precision);
  return join(name_of(precision), ", weights int4 group ", language.packing_group);
}

int64_t kv_bytes_per_token(const LanguageSpec& language, Precision precision) {
  return 2 * language.layers * language.kv_heads * language.head_dim * static_cast<int64_t>(size_of(cache_dtype(precision)));
}

ModelInfo describe(const Checkpoint& checkpoint) {
  const CheckpointDescription& known = checkpoint.description();
  const ModelSpec& spec = checkpoint.spec();
  const LanguageSpec& language = spec.language;
  ModelInfo info;
  info.path = spec.path;
  info.family = spec.family;
  if (known.has_language) {
    info.language_model = describe_language(language);
    info.weight_dtype = name_of(spec.weight_dtype);
    if (language.packing != LanguageSpec::Packing::none) info.weight_dtype = join("awq int4, group ", language.packing_group);
    info.vocab_size = to_int32(language.vocab);
    info.hidden_size = to_int32(language.hidden);
    info.eos_ids = language.eos_ids;
    info.kv_bytes_per_token = kv_bytes_per_token(language, Precision::fp32);
    for (int64_t i = 0; i < language.layers; ++i) {
      for (const LinearLayer& layer : block_linears(language, i)) info.block_parameters += layer.out * layer.in;
    }
  }
  if (known.has_vision) {
    info.vision_tower = describe_vision(spec.vision);
    info.preprocessing = describe_preprocessing(spec.preprocess);
    info.tiles = spec.preprocess.tiling != PreprocessSpec::Tiling::none;
  }
  if (known.has_projector) {
    info.projector = join(spec.projector.type, ": ", spec.projector.input, " to ", spec.projector.output);
    info.tokens_per_image = to_int32(spec.tokens_per_image());
  }
  if (known.has_prompt) {
    info.prompt_template = spec.prompt.template_id;
    info.context_length = to_int32(std::min(spec.prompt.max_length, language.max_positions));
    info.image_placeholder_id = static_cast<int32_t>(spec.prompt.image_token_id);
  }
  info.weight_bytes = static_cast<int64_t>(checkpoint.weight_bytes());
  info.parameters = checkpoint.parameters();
  return info;
}

CheckpointReport report_of(const std::string& path, uint64_t memory) {
  CheckpointReport report;
  const std::shared_ptr<const Checkpoint> checkpoint = Checkpoint::survey(path, report.problems);
  const CheckpointDescription& known = checkpoint->description();
  const ModelSpec& spec = checkpoint->spec();
  report.info = describe(*checkpoint);
  report.language = checkpoint->size(ModelPart::language);
  PrecisionChoice choice;
  if (known.has_language && report.language.parameters > 0) {
    choice = choose_precision(precision_sizes(*checkpoint, false), spec.synthetic, memory);
    report.info.precision = plan_precision(spec.language, choice.precision, 0);
    report.info.kv_bytes_per_token = kv_bytes_per_token(spec.language, choice.precision);
    report.precision_reason = choice.reason;
  }
  report.vision = checkpoint->size(ModelPart::vision);
  report.projector = checkpoint->size(ModelPart::projector);
  report.file_bytes = file_bytes(*checkpoint);
  report.templates = template_ids();

  Problems problems;
  if (known.has_prompt) {
    report.template_reason = spec.prompt.template_reason;
    attempt([&] { inspect_tokenizer(report, spec); });
  }
  if (known.has_projector) {
    attempt([&] { count_single_image(report, spec); });
    report.video_frames = spec.video.frames;
    report.video_tokens = to_int32(spec.video.frames * spec.tokens_per_image());
  }
  if (report.problems.empty() && problems.found().empty()) measure_plans(report, *checkpoint, choice.precision);
  report.problems.insert(report.problems.end(), problems.found().begin(), problems.found().end());
  if (!report.problems.empty()) report.plan_bytes = report.weight_memory_bytes = 0;
  return report;
}

}  // namespace vila
