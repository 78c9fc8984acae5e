// SPDX-License-Identifier: Apache-2.0
// Checks of a freshly made plan before it is published.
#pragma once

#include "checkpoint/checkpoint.h"
#include "plan/plan.h"
#include "session/language_runner.h"
#include "session/precision.h"

namespace vila {

/// One gray crop must give finite features.
void check_vision_plan(const ModelSpec& spec, plan::Plan& plan);
/// Constant features must give finite tokens.
void check_projector_plan(const ModelSpec& spec, plan::Plan& plan);
/// The same few tokens computed in one prefill, and in a prefill followed by decode steps, must give the same finite logits: the two
/// ways use attention, positions and cache differently, so an error in either shows. In a quantised plan a last bit may decide how an
/// activation is rounded, hence a wider tolerance. Throws backend naming the difference.
void check_language_plan(const LanguageSpec& spec, Precision precision, plan::Decoder& decoder);

}  // namespace vila
