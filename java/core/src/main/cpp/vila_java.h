// SPDX-License-Identifier: Apache-2.0
//
// What the generated JNI code needs besides vila.h: lists of images, and errors that keep their code. The message of each exception
// that crosses into Java becomes "<number of the error code>:<message>", which NativeErrors.java takes apart.
#ifndef VILA_JAVA_H
#define VILA_JAVA_H

#include <exception>
#include <new>
#include <string>
#include <vector>

#include "vila/vila.h"

namespace vila_java {

/// "<code>:<message>" of any exception, valid until this thread's next call.
inline const char* coded(const std::exception& e) noexcept {
  if (const auto* error = dynamic_cast<const vila::Error*>(&e)) return error->coded();
  if (dynamic_cast<const std::bad_alloc*>(&e) != nullptr) return "6:out of native memory";
  try {
    thread_local std::string text;
    text = std::to_string(static_cast<int>(vila::ErrorCode::internal)) + ":" + e.what();
    return text.c_str();
  } catch (...) {
    return "6:out of native memory";
  }
}

/// Images in order, for Prompt::place_images and Prompt::add_video: std::vector<Image> cannot be mapped, as an Image has no empty state.
class ImageList {
 public:
  /// Appends an image; the pixels are shared.
  void add(const vila::Image& image) { images_.push_back(image); }
  /// Gives the images to the `<image>` marks of `prompt`. Throws what Prompt::place_images throws.
  void place(vila::Prompt& prompt) const { prompt.place_images(images_); }
  /// Appends the images to `prompt` as the frames of a video. Throws what Prompt::add_video throws.
  void append_as_video(vila::Prompt& prompt) const { prompt.add_video(images_); }

 private:
  std::vector<vila::Image> images_;
};

}  // namespace vila_java

// JavaCPP writes `catch (GENERIC_EXCEPTION_CLASS& e)` and `e.GENERIC_EXCEPTION_TOSTRING`.
#define GENERIC_EXCEPTION_CLASS std::exception
#define GENERIC_EXCEPTION_TOSTRING what() == nullptr ? nullptr : vila_java::coded(e)

#endif  // VILA_JAVA_H
