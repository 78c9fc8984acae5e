// SPDX-License-Identifier: Apache-2.0
// Pillow's bicubic resampling in 8 bits, for any window of the result and of an image with a border.
//
// Per axis (scale = in/out, stretch = max(scale, 1)): output i is centred at c = (i + 0.5) * scale and sees the inputs from
// trunc(c - 2*stretch + 0.5) up to trunc(c + 2*stretch + 0.5), weighted by the cubic of a = -0.5 at distance/stretch, normalised
// to a sum of 1 and rounded to 22 fractional bits. The horizontal pass comes first and is rounded to 8 bits. (Pillow 12.2 and
// later take the vertical pass first for images more than a hundred times as high as wide that become lower; the models were
// trained with earlier ones, which never do, and neither does this.)
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "image/preprocess.h"

namespace vila {

/// The weights of consecutive output positions of one axis. A weight W of 22 fractional bits is stored as two halves,
/// W = high * 4096 + low with low in -2048 .. 2047, because products of 16 bits are what every processor sums fastest. Each
/// span's weights are followed by zeros up to a multiple of kLanes.
struct AxisWeights {
  static constexpr int32_t kLanes = 8;
  struct Span {
    int32_t start = 0;  ///< first input position
    int32_t count = 0;  ///< number of input positions
    size_t offset = 0;  ///< of the first weight in `high` and `low`
  };
  std::vector<Span> spans;  ///< one per output position
  std::vector<int16_t> high, low;
};

/// The weights of outputs first .. first+count-1 when `in` pixels become `out`.
AxisWeights bicubic_weights(int32_t in, int32_t out, int32_t first, int32_t count);

/// A part of an image: left, top, width, height.
struct Window {
  int32_t x = 0, y = 0, width = 0, height = 0;
  bool operator==(const Window&) const = default;
};

/// A canvas of one colour and where an image lies on it.
struct CanvasShape {
  int32_t width = 0, height = 0;
  int32_t left = 0, top = 0;  ///< where the image lies; it lies inside
  std::array<uint8_t, 3> color{};
  bool operator==(const CanvasShape&) const = default;
};

/// The canvas that an image of width x height fills.
CanvasShape canvas_alone(int32_t width, int32_t height);
/// A square of the longer side, the image in the middle (rounded towards left and top).
CanvasShape square_canvas(int32_t width, int32_t height, std::array<uint8_t, 3> around);

/// A canvas with its image: what is to be resized, never made as a whole.
struct Canvas : CanvasShape {
  const RgbImage& image;

  Canvas(const RgbImage& on, const CanvasShape& shape) : CanvasShape(shape), image(on) {}
  /// The image alone.
  explicit Canvas(const RgbImage& alone) : Canvas(alone, canvas_alone(alone.width, alone.height)) {}
};

/// What becomes of an image: its canvas is resized to width x height, and `window` of that is kept.
struct Placement {
  CanvasShape canvas;
  int32_t width = 0, height = 0;
  Window window;
  bool operator==(const Placement&) const = default;
};

/// What fit_image() does with an image of width x height. Throws as it does.
Placement placement_of(int32_t width, int32_t height, const PreprocessSpec& spec);

/// The part `window` of `canvas` resized to width x height. The window lies inside the result; its area is at most
/// kMaxImagePixels (capacity otherwise), while width and height themselves are not bounded.
RgbImage resize_window(const Canvas& canvas, int32_t width, int32_t height, const Window& window);

}  // namespace vila
