// SPDX-License-Identifier: Apache-2.0
// Images on their way into a vision plan on the emulated device: the pixels and features that the CPU's path gives.
#include <doctest/doctest.h>

#include <array>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "checkpoint/checkpoint.h"
#include "cuda/device.h"
#include "graph/builders.h"
#include "plan/tensorrt/device_plan.h"
#include "session/contract.h"
#include "session/vision_encoder.h"
#include "support/npy.h"
#include "tensorrt/emulated_engine.h"

using namespace vila;                  // NOLINT
using namespace vila::plan::tensorrt;  // NOLINT
using namespace vila::testing;         // NOLINT

namespace {

/// The towers of a checkpoint twice: on the emulated device, and in the host's memory.
struct Towers {
  explicit Towers(const std::string& name)
      : checkpoint(Checkpoint::open((data("cases/" + name) / "model").string())),
        vision(device_plan(graph::build_vision(*checkpoint, build()))),
        projector(device_plan(graph::build_projector(*checkpoint, build()))),
        host_vision(host_plan(graph::build_vision(*checkpoint, build()))),
        host_projector(host_plan(graph::build_projector(*checkpoint, build()))),
        on_device(checkpoint->spec(), *vision, *projector, 0),
        on_host(checkpoint->spec(), *host_vision, *host_projector, 0) {}

  static graph::BuildOptions build() {
    graph::BuildOptions options;
    options.dialect = graph::DialectKind::tensorrt;
    return options;
  }
  static std::unique_ptr<plan::Plan> device_plan(graph::Graph graph) {
    return std::make_unique<DevicePlan>(std::make_unique<EmulatedEngine>(plan::BuiltPlan{{}, std::move(graph), "tower"}), "tower");
  }
  static std::unique_ptr<plan::Plan> host_plan(const graph::Graph& graph) {
    return plan::onnxruntime_backend()->compile(graph::serialize(graph), "tower", {1});
  }

  std::shared_ptr<const Checkpoint> checkpoint;
  std::unique_ptr<plan::Plan> vision, projector, host_vision, host_projector;
  VisionEncoder on_device, on_host;
};

/// An image's pixels on the emulated device, rows `padding` bytes longer than they need to be.
struct OnDevice {
  OnDevice(const Image& host, int64_t padding)
      : stride(int64_t{3} * host.width() + padding), rows(rows_of(host, stride)), memory(rows) {}
  static std::vector<uint8_t> rows_of(const Image& host, int64_t stride) {
    std::vector<uint8_t> rows(static_cast<size_t>(stride) * static_cast<size_t>(host.height()), 0x77);
    const auto row = static_cast<size_t>(host.width()) * 3;
    for (int32_t y = 0; y < host.height(); ++y) {
      std::copy_n(host.rgb() + static_cast<size_t>(y) * row, row, rows.begin() + y * stride);
    }
    return rows;
  }
  Image image(const Image& host, cudaStream_t stream = nullptr, const std::string& key = "") const {
    return Image::from_device(memory.get(), host.width(), host.height(), stride, stream, key);
  }
  int64_t stride;
  std::vector<uint8_t> rows;
  DeviceArray<uint8_t> memory;
};

Image noise(int32_t width, int32_t height, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> rgb(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height));
  for (uint8_t& byte : rgb) byte = static_cast<uint8_t>(random());
  return Image::from_rgb(rgb.data(), rgb.size(), width, height);
}

void check_same(const EncodedImage& found, const EncodedImage& wanted) {
  CHECK(found.pixel_shape == wanted.pixel_shape);
  CHECK(found.pixel_values == wanted.pixel_values);
  CHECK(found.feature_shape == wanted.feature_shape);
  CHECK(found.vision_features == wanted.vision_features);
  CHECK(found.projected_shape == wanted.projected_shape);
  CHECK(found.projected == wanted.projected);
}

/// Work on a stream that the emulated device does late, for as long as this lives.
struct SlowStream {
  SlowStream() {
    REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    emulator::hold(stream);
  }
  ~SlowStream() { cudaStreamDestroy(stream); }
  cudaStream_t stream = nullptr;
};

}  // namespace

TEST_CASE("every family: an image of the host and one on the device have the CPU's pixels, features and tokens, to the last bit") {
  for (const GoldenCase& golden : golden_cases()) {
    CAPTURE(golden.name);
    Towers towers(golden.name);
    const bool tiles = towers.checkpoint->spec().preprocess.tiling != PreprocessSpec::Tiling::none;
    for (const auto& [width, height] : {std::array{40, 57}, std::array{91, 30}}) {
      CAPTURE(width);
      const Image host = noise(width, height, 3);
      const OnDevice pixels(host, 5);
      const EncodedImage wanted = towers.on_host.inspect(host);
      check_same(towers.on_device.inspect(host), wanted);
      check_same(towers.on_device.inspect(pixels.image(host)), wanted);
      const ImageView close{host, tiles && !towers.checkpoint->spec().preprocess.scales.empty()};
      const ImageView close_there{pixels.image(host), close.close};
      CHECK(towers.on_device.token_count(close_there) == towers.on_host.token_count(close));
      const std::vector<float> tokens = *towers.on_host.encode(close, nullptr);
      CHECK(*towers.on_device.encode(close, nullptr) == tokens);
      CHECK(*towers.on_device.encode(close_there, nullptr) == tokens);
      if (!tiles) continue;
      const EncodedImage parts = towers.on_host.inspect_tiles(host);
      check_same(towers.on_device.inspect_tiles(host), parts);
      check_same(towers.on_device.inspect_tiles(pixels.image(host)), parts);
    }
  }
}

TEST_CASE("pixels are read behind the caller's stream and before the call returns") {
  Towers towers("vila10-clip-linear");
  const Image host = noise(50, 40, 4), other = noise(50, 40, 5);
  const std::vector<float> wanted = towers.on_host.inspect(host).vision_features;
  const OnDevice pixels(other, 0);
  const SlowStream slow;
  const Image image = pixels.image(host, slow.stream);
  const auto write = [&](const Image& from) {
    REQUIRE(cudaMemcpyAsync(pixels.memory.get(), from.rgb(), from.rgb_size(), cudaMemcpyHostToDevice, slow.stream) == cudaSuccess);
  };
  write(host);
  CHECK(pixels.memory.read() == pixels.rows);  // not there yet
  CHECK(towers.on_device.inspect(image).vision_features == wanted);
  write(other);  // behind the call: may come whenever it likes
  CHECK(pixels.memory.read() != pixels.rows);
  CHECK(towers.on_device.inspect(image).vision_features == towers.on_host.inspect(other).vision_features);
}

TEST_CASE("images of the host one after another, large and small, tiles of one image among them") {
  Towers towers("nvila-lite-dynamic");
  const std::vector<Image> images{noise(64, 48, 1), noise(64, 48, 2), noise(20, 90, 3), noise(64, 48, 1)};
  const size_t before = emulator::bytes_in_use();
  for (int round = 0; round < 2; ++round) {
    for (const Image& image : images) {
      for (int32_t tile = -1; tile < 2; ++tile) {
        CHECK(*towers.on_device.encode({image, false, tile}, nullptr) == *towers.on_host.encode({image, false, tile}, nullptr));
      }
    }
  }
  CHECK(emulator::bytes_in_use() < before + (1 << 20));
}

TEST_CASE("keys of views: content in the host's memory; the caller's key, or this image alone, on a device") {
  const Image host = noise(8, 8, 1);
  const OnDevice pixels(host, 0);
  const auto key = [](const Image& image, bool close = false, int32_t tile = -1) {
    return VisionEncoder::key({image, close, tile});
  };
  const Image unnamed = pixels.image(host), copy = unnamed;
  CHECK(key(unnamed) == key(copy));
  CHECK_FALSE(key(unnamed) == key(pixels.image(host)));
  CHECK_FALSE(key(unnamed) == key(host));
  CHECK(key(pixels.image(host, nullptr, "a")) == key(pixels.image(host, nullptr, "a")));
  CHECK_FALSE(key(pixels.image(host, nullptr, "a")) == key(pixels.image(host, nullptr, "b")));
  CHECK_FALSE(key(pixels.image(host, nullptr, "a")) == key(Image::from_device(pixels.memory.get(), 8, 7, 24, nullptr, "a")));
  std::set<std::string> views;
  for (const Hash128& view : {key(host), key(host, true), key(host, false, 0), key(host, false, 1)}) views.insert(view.hex());
  CHECK(views.size() == 4);
}

TEST_CASE("pointers that are no device memory, and backends that read the host's") {
  Towers towers("vila10-clip-linear");
  const Image host = noise(8, 8, 1);
  const auto encode = [&](const Image& image) { return error_of([&] { towers.on_device.encode({image}, nullptr); }); };
  const std::string here = encode(Image::from_device(host.rgb(), 8, 8, 24, nullptr, ""));
  CHECK(here.starts_with("1:image begins at 0x"));
  CHECK(here.ends_with(", which is no memory of a CUDA device"));
  const OnDevice pixels(host, 0);
  const std::string beyond = encode(Image::from_device(pixels.memory.get(), 8, 9, 24, nullptr, ""));
  CHECK(beyond.starts_with("1:image ends at 0x"));
  CHECK(error_of([&] { towers.on_host.encode({pixels.image(host)}, nullptr); }) ==
        "5:image of 8x8 pixels in the memory of a CUDA device: this model's backend reads the host's memory, expected pixels "
        "there, or a model of the backend tensorrt");
  plan::StopSource stop;
  stop.raise();
  CHECK(error_of([&] { towers.on_device.encode({pixels.image(host)}, &stop); }) == "8:tower: cancelled");
  CHECK(*towers.on_device.encode({pixels.image(host)}, nullptr) == *towers.on_host.encode({host}, nullptr));
}

TEST_CASE("without memory on the device an image is a capacity error, and the next one works") {
  Towers towers("vila10-clip-linear");
  const Image small = noise(8, 8, 1), large = noise(900, 700, 2);
  const std::vector<float> wanted = *towers.on_device.encode({small}, nullptr);
  emulator::set_memory(emulator::bytes_in_use() + (100 << 10));
  CHECK(error_of([&] { towers.on_device.encode({large}, nullptr); }).starts_with("6:device memory: out of memory"));
  CHECK(*towers.on_device.encode({small}, nullptr) == wanted);
  emulator::set_memory(SIZE_MAX);
  CHECK(*towers.on_device.encode({large}, nullptr) == *towers.on_host.encode({large}, nullptr));
}
