// SPDX-License-Identifier: Apache-2.0
// The public Model and Session: nothing but vila::Error leaves them.
#include <new>
#include <utility>

#include "common/error.h"
#include "image/preprocess.h"
#include "kernels/peak.h"
#include "plan/cpu.h"
#include "plan/memory.h"
#include "session/device_plans.h"
#include "session/engine.h"
#include "session/report.h"
#include "session/session.h"
#include "session/synthetic.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_api.h"

namespace vila {
namespace {

/// Calls `body`; what is no Error becomes one.
template <typename Body>
auto guarded(Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::capacity, "out of memory");
  } catch (const std::exception& error) {
    throw Error(ErrorCode::internal, error.what());
  }
}

template <class P>
double peak_of(const P& product, int32_t threads) {
  return guarded([&] {
    if (threads < 0 || threads > 1024) fail(ErrorCode::invalid_argument, "threads: ", threads, ", expected 0 to 1024");
    constexpr double kSeconds = 0.25;
    return kernels::multiply_accumulates_per_second(product, threads > 0 ? threads : plan::physical_cores(), kSeconds);
  });
}

}  // namespace

struct Model::Impl {
  std::shared_ptr<Engine> engine;
};

Model::Model(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(const Model&) = default;
Model& Model::operator=(const Model&) = default;
Model::~Model() = default;

Model Model::load(const std::string& path, const LoadOptions& options, ProgressListener* progress) {
  return guarded([&] { return Model(std::make_shared<Impl>(Impl{Engine::load(path, options, progress)})); });
}

std::vector<std::string> Model::compile(const std::string& path, const LoadOptions& options, ProgressListener* progress) {
  return guarded([&] {
    const std::shared_ptr<const Checkpoint> checkpoint = Checkpoint::open(path);
    check_load_options(options, checkpoint->spec());
    std::vector<std::string> lines;
    if (wants_device(options)) {
      const std::shared_ptr<plan::DeviceBackend> device = plan::tensorrt_backend(options.device);
      make_device_plans(*checkpoint, *device, options, progress, &lines);
    } else {
      const std::shared_ptr<plan::Backend> backend = plan::onnxruntime_backend();
      make_plans(*checkpoint, *backend, options, progress, &lines);
    }
    return lines;
  });
}

ModelInfo Model::describe(const std::string& path) {
  return guarded([&] { return vila::describe(*Checkpoint::open(path)); });
}

CheckpointReport inspect_checkpoint(const std::string& path) {
  return guarded([&] { return report_of(path, plan::usable_memory("")); });
}

double int8_peak(int32_t threads) { return peak_of(kernels::products().front(), threads); }

double bf16_peak(int32_t threads) { return peak_of(kernels::bf16_products().front(), threads); }

std::string synthetic_checkpoint(const std::string& model, const std::string& cache_dir) {
  return guarded([&] {
    const SyntheticModel known = synthetic_model(model);
    return cached_synthetic(known, plan::PlanCache(cache_dir).dir());
  });
}

ModelInfo Model::info() const {
  return guarded([&] { return impl_->engine->info(); });
}
Tokenizer Model::tokenizer() const {
  return guarded([&] { return Tokenizer(std::make_shared<const Tokenizer::Impl>(impl_->engine->tokenizer())); });
}
VideoSampling Model::video_sampling() const {
  return guarded([&] { return impl_->engine->spec().video; });
}
Session Model::new_session() const {
  return guarded([&] {
    if (!impl_->engine->has_language()) fail(ErrorCode::unsupported, "session: the model was loaded for images only (images_only)");
    return Session(std::make_shared<Session::Impl>(impl_->engine));
  });
}
TokenizedPrompt Model::tokenize(const Prompt& prompt) const {
  return guarded([&] { return vila::tokenize(*impl_->engine, prompt); });
}
EncodedImage Model::encode_image(const Image& image) const {
  return guarded([&] { return impl_->engine->vision().inspect(image); });
}
EncodedImage Model::encode_tiles(const Image& image) const {
  return guarded([&] { return impl_->engine->vision().inspect_tiles(image); });
}
EncodedImage Model::encode_pixels(const std::vector<float>& pixel_values) const {
  return guarded([&] { return impl_->engine->vision().inspect(pixel_values); });
}
int64_t Model::image_cache_bytes() const { return impl_->engine->vision().cache().stats().bytes; }
int64_t Model::image_cache_entries() const { return impl_->engine->vision().cache().stats().entries; }
int64_t Model::image_cache_hits() const { return impl_->engine->vision().cache().stats().hits; }
int64_t Model::image_cache_misses() const { return impl_->engine->vision().cache().stats().misses; }
int64_t Model::prefix_cache_bytes() const { return impl_->engine->prefixes().stats().bytes; }
int64_t Model::prefix_cache_entries() const { return impl_->engine->prefixes().stats().entries; }
int64_t Model::prefix_cache_hits() const { return impl_->engine->prefixes().stats().hits; }
int64_t Model::prefix_cache_positions() const { return impl_->engine->prefixes().stats().positions; }

Session::Session(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(const Session&) = default;
Session& Session::operator=(const Session&) = default;
Session::~Session() = default;

Completion Session::generate(const Prompt& prompt, const GenerationOptions& options, TokenListener* listener) {
  return guarded([&] { return impl_->generate(prompt, options, listener); });
}
void Session::prefill(const Prompt& prompt) {
  guarded([&] { impl_->prefill(prompt); });
}
void Session::decode(int32_t id) {
  guarded([&] { impl_->decode(id); });
}
std::vector<float> Session::logits() const {
  return guarded([&] { return impl_->logits(); });
}
void Session::cancel() noexcept { impl_->cancel(); }
int32_t Session::position() const noexcept { return impl_->position(); }
void Session::reset() {
  guarded([&] { impl_->reset(); });
}

}  // namespace vila
