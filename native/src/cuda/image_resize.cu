// SPDX-License-Identifier: Apache-2.0
#include "cuda/image_resize.h"

#include "cuda/elements.cuh"
#include "cuda/launch.cuh"

namespace vila::cuda {
namespace {

constexpr unsigned kThreads = 128;

/// The byte of a sum of bytes times weights that began with kHalf. Sums are taken modulo 2^32; the whole fits into 32 bits.
__device__ uint8_t to_byte(uint32_t sum) {
  const int32_t value = static_cast<int32_t>(sum) >> 22;
  return static_cast<uint8_t>(min(max(value, 0), 255));
}

constexpr uint32_t kHalf = 1u << 21;

/// A canvas, the rows that are wanted of it, and where it goes.
struct Columns {
  DeviceImage image;
  int32_t left, top;
  uint8_t color[3];
  int32_t first_row, width;  ///< width of the window
  const AxisSpan* spans;
  const int32_t* weights;
  uint8_t* result;  ///< [rows, width, 3]
};

/// The horizontal pass: one pixel a thread, block (x, y) has row y.
__global__ void resize_columns(Columns a) {
  const int32_t x = static_cast<int32_t>(blockIdx.x * kThreads + threadIdx.x), row = static_cast<int32_t>(blockIdx.y);
  if (x >= a.width) return;
  const AxisSpan span = a.spans[x];
  const int32_t y = a.first_row + row - a.top;
  const bool blank = y < 0 || y >= a.image.height;
  const uint8_t* line = blank ? nullptr : a.image.rgb + y * a.image.stride;
  uint32_t red = kHalf, green = kHalf, blue = kHalf;
  for (int32_t i = 0; i < span.count; ++i) {
    const auto weight = static_cast<uint32_t>(a.weights[span.weight + i]);
    const int32_t at = span.start + i - a.left;
    const uint8_t* pixel = blank || at < 0 || at >= a.image.width ? a.color : line + 3 * static_cast<int64_t>(at);
    red += weight * pixel[0];
    green += weight * pixel[1];
    blue += weight * pixel[2];
  }
  uint8_t* out = a.result + (static_cast<int64_t>(row) * a.width + x) * 3;
  out[0] = to_byte(red);
  out[1] = to_byte(green);
  out[2] = to_byte(blue);
}

struct Rows {
  const uint8_t* from;  ///< [rows, stride]
  int32_t stride;       ///< bytes of a row, here and in the result
  const AxisSpan* spans;
  const int32_t* weights;
  uint8_t* result;
};

/// The vertical pass: one byte a thread, block (x, y) has row y of the result.
__global__ void resize_rows(Rows a) {
  const int32_t x = static_cast<int32_t>(blockIdx.x * kThreads + threadIdx.x);
  if (x >= a.stride) return;
  const AxisSpan span = a.spans[blockIdx.y];
  const uint8_t* from = a.from + static_cast<int64_t>(span.start) * a.stride + x;
  uint32_t sum = kHalf;
  for (int32_t i = 0; i < span.count; ++i) {
    sum += static_cast<uint32_t>(a.weights[span.weight + i]) * from[static_cast<int64_t>(i) * a.stride];
  }
  a.result[static_cast<int64_t>(blockIdx.y) * a.stride + x] = to_byte(sum);
}

struct Tiles {
  DeviceImage image;
  int32_t columns, width, height;  ///< tiles across; a tile's size
};

/// One pixel a thread, block (x, y) has row y of the image.
template <typename Element>
__global__ void normalize_pixels_kernel(Tiles a, const __grid_constant__ PixelLevels levels, Element* pixels) {
  __shared__ float level[3][256];
  for (unsigned i = threadIdx.x; i < 256; i += kThreads) {
    for (int c = 0; c < 3; ++c) level[c][i] = levels.level[c][i];
  }
  __syncthreads();
  const int32_t x = static_cast<int32_t>(blockIdx.x * kThreads + threadIdx.x), y = static_cast<int32_t>(blockIdx.y);
  if (x >= a.image.width) return;
  const uint8_t* pixel = a.image.rgb + y * a.image.stride + 3 * static_cast<int64_t>(x);
  const int64_t tile = static_cast<int64_t>(y / a.height) * a.columns + x / a.width;
  const int64_t area = static_cast<int64_t>(a.width) * a.height;
  const int64_t at = tile * 3 * area + static_cast<int64_t>(y % a.height) * a.width + x % a.width;
  for (int c = 0; c < 3; ++c) pixels[at + c * area] = from_float<Element>(level[c][pixel[c]]);
}

void require_image(const DeviceImage& image, const char* kernel) {
  require_pointer(image.rgb, kernel, "image", 1);
  require(image.width >= 1 && image.width <= 65500, kernel, "image width", image.width, "1 to 65500");
  require(image.height >= 1 && image.height <= 65500, kernel, "image height", image.height, "1 to 65500");
  require(image.stride >= int64_t{3} * image.width, kernel, "image stride", image.stride, "at least 3 bytes per pixel of a row");
}

}  // namespace

void resize_image(const ResizePlan& plan, const DeviceImage& image, const int32_t* tables, uint8_t* workspace, uint8_t* result,
                  cudaStream_t stream) {
  constexpr const char* kColumns = "resize_columns";
  constexpr const char* kRows = "resize_rows";
  require_image(image, kColumns);
  require(image.width == plan.width(), kColumns, "image width", image.width, "that of the plan");
  require(image.height == plan.height(), kColumns, "image height", image.height, "that of the plan");
  require_pointer(tables, kColumns, "tables", alignof(AxisSpan));
  require_pointer(workspace, kColumns, "workspace", 1);
  require_pointer(result, kRows, "result", 1);
  const CanvasShape& canvas = plan.placement().canvas;
  const Window& window = plan.placement().window;
  const auto* spans = reinterpret_cast<const AxisSpan*>(tables);
  const Columns columns{image,
                        canvas.left,
                        canvas.top,
                        {canvas.color[0], canvas.color[1], canvas.color[2]},
                        plan.first_row(),
                        window.width,
                        spans,
                        tables + plan.column_weights(),
                        workspace};
  const auto threads = static_cast<int32_t>(kThreads);
  launch(kColumns, resize_columns, dim3(static_cast<unsigned>(pieces(window.width, threads)), static_cast<unsigned>(plan.rows())),
         kThreads, stream, columns);
  const Rows rows{workspace, window.width * 3, spans + window.width, tables + plan.row_weights(), result};
  launch(kRows, resize_rows, dim3(static_cast<unsigned>(pieces(rows.stride, threads)), static_cast<unsigned>(window.height)),
         kThreads, stream, rows);
}

void normalize_pixels(const DeviceImage& image, const PixelLevels& levels, int32_t columns, int32_t rows, DType type, void* pixels,
                      cudaStream_t stream) {
  constexpr const char* kName = "normalize_pixels";
  require_image(image, kName);
  require(columns >= 1 && image.width % columns == 0, kName, "columns", columns, "a divisor of the image's width");
  require(rows >= 1 && image.height % rows == 0, kName, "rows", rows, "a divisor of the image's height");
  require(type == DType::f32 || type == DType::f16 || type == DType::bf16, kName, "type", name_of(type), "fp32, fp16 or bf16");
  require_pointer(pixels, kName, "pixels", size_of(type));
  const Tiles tiles{image, columns, image.width / columns, image.height / rows};
  const dim3 grid(static_cast<unsigned>(pieces(image.width, static_cast<int32_t>(kThreads))), static_cast<unsigned>(image.height));
  switch (type) {
    case DType::f16:
      return launch(kName, normalize_pixels_kernel<__half>, grid, kThreads, stream, tiles, levels, static_cast<__half*>(pixels));
    case DType::bf16:
      return launch(kName, normalize_pixels_kernel<__nv_bfloat16>, grid, kThreads, stream, tiles, levels,
                    static_cast<__nv_bfloat16*>(pixels));
    default:
      return launch(kName, normalize_pixels_kernel<float>, grid, kThreads, stream, tiles, levels, static_cast<float*>(pixels));
  }
}

}  // namespace vila::cuda
