// SPDX-License-Identifier: Apache-2.0
// vila::Image, the public face of this room.
#include <atomic>
#include <new>

#include "common/error.h"
#include "common/mapped_file.h"
#include "image/decode.h"
#include "image/preprocess.h"

namespace vila {
namespace {

/// Largest image file that is read: more than any file of kMaxImagePixels needs.
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 31;

/// Runs `call`; that the system has no memory for it becomes a capacity error that names `what`.
template <typename Call>
Image with_memory(const std::string& what, Call&& call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    fail(ErrorCode::capacity, what, ": not enough memory");
  }
}

Image make_image(RgbImage rgb) {
  auto impl = std::make_shared<Image::Impl>();
  impl->hash = Hasher().number(rgb.width).number(rgb.height).bytes(rgb.data.data(), rgb.data.size()).finish();
  impl->rgb = std::move(rgb);
  return Image(std::move(impl));
}

void check_size(int32_t width, int32_t height) {
  if (width < 1 || height < 1 || width > kMaxImageSide || height > kMaxImageSide) {
    fail(ErrorCode::invalid_argument, "image of ", width, "x", height, " pixels, expected sides of 1 to ", kMaxImageSide);
  }
  if (int64_t{width} * height > kMaxImagePixels) {
    fail(ErrorCode::capacity, "image of ", width, "x", height, " pixels, expected at most ", kMaxImagePixels, " in all");
  }
}

}  // namespace

Image Image::from_file(const std::string& path) {
  return with_memory(path, [&] {
    const std::string content = read_file(path, kMaxFileBytes);
    return from_memory(reinterpret_cast<const uint8_t*>(content.data()), content.size(), path);
  });
}

Image Image::from_memory(const uint8_t* bytes, size_t size, const std::string& name) {
  if (bytes == nullptr && size > 0) fail(ErrorCode::invalid_argument, name, ": bytes are null, expected ", size);
  return with_memory(name, [&] { return make_image(decode_image(bytes, size, name)); });
}

Image Image::from_rgb(const uint8_t* rgb, size_t size, int32_t width, int32_t height) {
  if (rgb == nullptr) fail(ErrorCode::invalid_argument, "rgb is null");
  check_size(width, height);
  const auto expected = static_cast<size_t>(int64_t{width} * height) * 3;
  if (size != expected) {
    fail(ErrorCode::invalid_argument, "rgb has ", size, " bytes, expected ", expected, " (", width, "x", height, "x3)");
  }
  return with_memory(join("image of ", width, "x", height, " pixels"), [&] {
    return make_image({width, height, std::vector<uint8_t>(rgb, rgb + size)});
  });
}

Image Image::from_device(const void* rgb, int32_t width, int32_t height, int64_t stride, void* stream, const std::string& key) {
  if (rgb == nullptr) fail(ErrorCode::invalid_argument, "rgb is null, expected device memory");
  check_size(width, height);
  if (stride < int64_t{3} * width) {
    fail(ErrorCode::invalid_argument, "stride is ", stride, ", expected at least ", int64_t{3} * width, " bytes for ", width,
         " pixels");
  }
  static std::atomic<int64_t> unnamed{0};
  Hasher hash;
  hash.text("device").number(width).number(height);
  key.empty() ? hash.number(++unnamed) : hash.text(key);
  auto impl = std::make_shared<Impl>();
  impl->device = {rgb, width, height, stride, stream};
  impl->hash = hash.finish();
  return Image(std::move(impl));
}

Image::Image(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Image::Image(const Image&) = default;
Image& Image::operator=(const Image&) = default;
Image::~Image() = default;

int32_t Image::width() const noexcept { return on_device() ? impl_->device.width : impl_->rgb.width; }
int32_t Image::height() const noexcept { return on_device() ? impl_->device.height : impl_->rgb.height; }
bool Image::on_device() const noexcept { return impl_->device.rgb != nullptr; }
const uint8_t* Image::rgb() const noexcept { return on_device() ? nullptr : impl_->rgb.data.data(); }
size_t Image::rgb_size() const noexcept { return impl_->rgb.data.size(); }
Image Image::resize(int32_t width, int32_t height) const {
  if (on_device()) fail(ErrorCode::unsupported, "resize: the image's pixels are on a device, expected pixels in the host's memory");
  return with_memory(join("resize to ", width, "x", height, " pixels"),
                     [&] { return make_image(resize_bicubic(impl_->rgb, width, height)); });
}
std::string Image::content_hash() const { return impl_->hash.hex(); }

}  // namespace vila
