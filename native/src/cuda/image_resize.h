// SPDX-License-Identifier: Apache-2.0
// Bytes of an image to the pixels a vision tower takes: Pillow's bicubic resampling (image/resize.h has the formula) and
// normalisation, bit for bit what the CPU computes. Weights are computed on the host by bicubic_weights() and are whole numbers of
// 22 fractional bits; the passes are integer arithmetic with 8 bits between them; normalisation is a look-up among the 256 levels
// that normalized_levels() computed on the host. Only the rounding of fp16 and bf16 pixels is the device's (nearest, ties to even).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/dtype.h"
#include "cuda/stream.h"
#include "image/resize.h"

namespace vila::cuda {

/// An RGB image, 3 bytes a pixel, its rows `stride` bytes apart.
struct DeviceImage {
  const uint8_t* rgb = nullptr;
  int32_t width = 0, height = 0;
  int64_t stride = 0;
};

/// One output position of an axis: its inputs are start .. start+count-1, its weights begin at `weight` among the axis's.
struct AxisSpan {
  int32_t start = 0, count = 0, weight = 0;
};

/// What resizing images of one size in one way needs besides their pixels. Host memory, immutable.
class ResizePlan {
 public:
  /// For images of width x height. Throws invalid_argument unless the placement's canvas holds such an image and its window lies
  /// inside the result, capacity for a window of more than kMaxImagePixels.
  ResizePlan(int32_t width, int32_t height, const Placement& placement);

  int32_t width() const { return width_; }  ///< of the images
  int32_t height() const { return height_; }
  const Placement& placement() const { return placement_; }
  /// Rows of the canvas that the vertical pass sees: first_row .. first_row+rows-1.
  int32_t first_row() const { return first_row_; }
  int32_t rows() const { return rows_; }
  /// To be copied to the device: the spans of the window's columns and rows, then their weights. Rows count from first_row.
  const std::vector<int32_t>& tables() const { return tables_; }
  size_t column_weights() const { return column_weights_; }  ///< index in tables() of the columns' first weight
  size_t row_weights() const { return row_weights_; }        ///< the same of the rows'
  /// Bytes of the horizontal pass's result.
  size_t workspace_bytes() const;
  /// Bytes of the window.
  size_t result_bytes() const;

 private:
  int32_t width_, height_;
  Placement placement_;
  int32_t first_row_ = 0, rows_ = 0;
  size_t column_weights_ = 0, row_weights_ = 0;
  std::vector<int32_t> tables_;
};

/// Kernels "resize_columns" and "resize_rows": the plan's window of `image`, [window.height, window.width, 3] bytes to `result`,
/// the same bytes as resize_window(). `tables` is a copy of plan.tables(), `workspace` has plan.workspace_bytes(). `plan` is read
/// before the function returns. `image.stride` is at least 3 * width.
void resize_image(const ResizePlan& plan, const DeviceImage& image, const int32_t* tables, uint8_t* workspace, uint8_t* result,
                  cudaStream_t stream);

/// The levels of three channels, by value in the launch. Host.
struct PixelLevels {
  float level[3][256];
};
/// normalized_levels() of every channel.
PixelLevels pixel_levels(const PreprocessSpec& spec);

/// Kernel "normalize_pixels": `image`, cut into columns x rows equal tiles, to `pixels` [rows * columns, 3, height / rows,
/// width / columns] of `type` (f32, f16, bf16), tiles row by row as cut_tiles() has them; 1 x 1 is the image itself. In f32 the
/// same bits as normalize().
void normalize_pixels(const DeviceImage& image, const PixelLevels& levels, int32_t columns, int32_t rows, DType type, void* pixels,
                      cudaStream_t stream);

}  // namespace vila::cuda
