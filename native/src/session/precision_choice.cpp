// SPDX-License-Identifier: Apache-2.0
#include "session/precision_choice.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <optional>

#include "common/error.h"
#include "kernels/packed_matrix.h"
#include "session/quantized_layers.h"

namespace vila {
namespace {

constexpr double kShare = 0.6;  // of the memory, for weights; the rest is for caches, activations and everybody else

int64_t& of(PrecisionSizes& sizes, Precision precision) { return sizes[static_cast<size_t>(precision)]; }
int64_t of(const PrecisionSizes& sizes, Precision precision) { return sizes[static_cast<size_t>(precision)]; }

/// "5.40 GB"; "812 kB".
std::string size_text(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  double scaled = static_cast<double>(bytes);
  size_t unit = 0;
  for (; scaled >= 999.5 && unit + 1 < std::size(kUnits); ++unit) scaled /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.*f %s", unit == 0 || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2, scaled, kUnits[unit]);
  return text;
}

/// Of a 4-bit layer for fp32 and bf16 plans: codes, and for each group a scale, a correction and a zero point of half a byte.
int64_t packed_bytes(const LinearLayer& layer, int64_t group) {
  const int64_t groups = layer.in / group;
  return layer.out * layer.in / 2 + layer.out * (8 * groups + (groups + 1) / 2);
}

}  // namespace

PrecisionSizes precision_sizes(const Checkpoint& checkpoint, bool images_only) {
  const LanguageSpec& spec = checkpoint.spec().language;
  PrecisionSizes sizes{};
  int64_t rest = checkpoint.size(ModelPart::vision).parameters + checkpoint.size(ModelPart::projector).parameters;
  if (!images_only) rest += checkpoint.size(ModelPart::language).parameters;
  for (int64_t i = 0; i < spec.layers && !images_only; ++i) {
    for (const LinearLayer& layer : block_linears(spec, i)) {
      const int64_t parameters = layer.out * layer.in;
      rest -= parameters;
      const int64_t packed = is_packed(spec, layer.name) ? packed_bytes(layer, spec.packing_group) : 0;
      of(sizes, Precision::fp32) += packed > 0 ? packed : 4 * parameters;
      of(sizes, Precision::bf16) += packed > 0 ? packed : 2 * parameters;
      for (const Precision precision : {Precision::int8, Precision::int4}) {
        const graph::QuantizedLayer kept = quantized_layer({layer.name, layer.out, layer.in}, spec, precision, {});
        of(sizes, precision) += static_cast<int64_t>(kept.shape.bytes());
      }
    }
  }
  rest = std::max<int64_t>(rest, 0);  // Less where a checkpoint is not whole.
  of(sizes, Precision::fp32) += 4 * rest;
  of(sizes, Precision::bf16) += 2 * rest;
  for (const Precision precision : {Precision::int8, Precision::int4}) {
    of(sizes, precision) += rest + 2 * rest / kernels::kBlock;  // an fp16 scale a block
  }
  return sizes;
}

PrecisionChoice choose_precision(const PrecisionSizes& sizes, bool synthetic, uint64_t memory) {
  const double bound = kShare * static_cast<double>(memory);
  std::string larger;
  for (const Precision precision : kPrecisions) {
    if (precision == Precision::fp32 && synthetic) continue;
    const std::string size = join(name_of(precision), " takes ", size_text(of(sizes, precision)));
    if (memory == 0) return {precision, size + "; how much memory there is, is not known"};
    const bool fits = static_cast<double>(of(sizes, precision)) <= bound;
    if (fits || precision == Precision::int4) {
      return {precision, join(larger, size, ", ", fits ? "within" : "also more than", " 0.6 of the memory (",
                              size_text(static_cast<int64_t>(memory)), ")")};
    }
    larger += join(size, ", ");
  }
  fail(ErrorCode::internal, "choose_precision: none");
}

PrecisionChoice resolve_precision(const std::string& asked, const Checkpoint& checkpoint, bool images_only, uint64_t memory) {
  const std::optional<Precision> named = parse_precision(asked);
  if (!named) return choose_precision(precision_sizes(checkpoint, images_only), checkpoint.spec().synthetic && !images_only, memory);
  if (*named == Precision::fp32 && checkpoint.spec().synthetic && !images_only) {
    fail(ErrorCode::invalid_argument, "precision: \"", asked, "\", expected bf16, int8 or int4, as ", checkpoint.spec().path,
         " is synthetic: its linear layers are drawn at random in these only");
  }
  return {*named, "asked for"};
}

}  // namespace vila
