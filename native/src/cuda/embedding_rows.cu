// SPDX-License-Identifier: Apache-2.0
#include "cuda/embedding_rows.h"

#include <algorithm>

#include "cuda/elements.cuh"
#include "cuda/launch.cuh"

namespace vila::cuda {
namespace {

constexpr int64_t kMostThreads = 256;
constexpr int64_t kWarp = 32;
constexpr const char* kName = "gather_rows";

/// Block i writes row i.
template <typename Element>
__global__ void gather_rows_kernel(RowsView table, RowsView image_rows, int64_t hidden, const int32_t* sources, Element* out) {
  const int32_t source = sources[blockIdx.x];
  const RowsView from = source < 0 ? image_rows : table;
  const int64_t row = source < 0 ? ~source : source;
  const bool found = row < from.rows;
  Element* to = out + static_cast<int64_t>(blockIdx.x) * hidden;
  for (int64_t i = threadIdx.x; i < hidden; i += blockDim.x) {
    to[i] = from_float<Element>(found ? element_at(from.type, from.data, row * hidden + i) : __int_as_float(0x7fc00000));
  }
}

bool floating(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::bf16; }

}  // namespace

void gather_rows(const RowsView& table, const RowsView& image_rows, int64_t hidden, const int32_t* sources, int32_t count,
                 DType type, void* out, cudaStream_t stream) {
  constexpr const char* kTypes = "fp32, fp16 or bf16";
  require(floating(table.type), kName, "table's type", name_of(table.type), kTypes);
  require(floating(image_rows.type), kName, "image rows' type", name_of(image_rows.type), kTypes);
  require(floating(type), kName, "type", name_of(type), kTypes);
  require(hidden >= 1, kName, "hidden", hidden, "at least 1");
  require(count >= 1, kName, "count", count, "at least 1");
  require(table.rows >= 1, kName, "table's rows", table.rows, "at least 1");
  require(image_rows.rows >= 0, kName, "image rows", image_rows.rows, "at least 0");
  require_pointer(table.data, kName, "table", size_of(table.type));
  if (image_rows.rows > 0) require_pointer(image_rows.data, kName, "image rows", size_of(image_rows.type));
  require_pointer(sources, kName, "sources", sizeof(int32_t));
  require_pointer(out, kName, "out", size_of(type));
  const dim3 grid(static_cast<unsigned>(count));
  const auto threads = static_cast<unsigned>(std::min(kMostThreads, pieces(hidden, kWarp) * kWarp));
  switch (type) {
    case DType::f16:
      return launch(kName, gather_rows_kernel<__half>, grid, threads, stream, table, image_rows, hidden, sources,
                    static_cast<__half*>(out));
    case DType::bf16:
      return launch(kName, gather_rows_kernel<__nv_bfloat16>, grid, threads, stream, table, image_rows, hidden, sources,
                    static_cast<__nv_bfloat16*>(out));
    default:
      return launch(kName, gather_rows_kernel<float>, grid, threads, stream, table, image_rows, hidden, sources,
                    static_cast<float*>(out));
  }
}

}  // namespace vila::cuda
