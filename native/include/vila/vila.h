// SPDX-License-Identifier: Apache-2.0
//
// The public C++ API of vila4j: everything a caller (or the Java binding) can use. Standard library types only.
//
// Ownership: the classes here are handles on shared state; copying a handle is cheap and shares the state, which lives until
// the last handle goes. A Session keeps its Model alive.
// Threads: Model, Tokenizer, Image and Prompt may be used from any number of threads at once (Prompt: as long as none changes
// it). A Session serves one call at a time; a second concurrent call throws Error{busy}. Only Session::cancel() may be called
// while another thread is inside the session.
// Errors: every function throws vila::Error and nothing else (unless noexcept). A call that throws has no effect.
#ifndef VILA_VILA_H
#define VILA_VILA_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(__GNUC__)
#define VILA_API __attribute__((visibility("default")))
#else
#define VILA_API
#endif

namespace vila {

/// What kind of failure an Error is. The numbers are stable: the Java binding maps each to an exception type.
enum class ErrorCode : int {
  invalid_argument = 1,  ///< an argument is outside what the function accepts
  not_found = 2,         ///< a file, folder or library that was named does not exist
  io = 3,                ///< the operating system refused a read, write, map or lock
  bad_file = 4,          ///< a file's content is damaged or contradicts itself
  unsupported = 5,       ///< well-formed, but something this version does not run
  capacity = 6,          ///< a prompt, image or request is larger than what was reserved or what the model allows
  busy = 7,              ///< the session is inside another call
  cancelled = 8,         ///< stopped by cancel()
  backend = 9,           ///< the backend (ONNX Runtime, TensorRT) failed
  internal = 10          ///< a broken invariant of vila4j itself
};

/// The one exception type of this API. what() is a single line that names the file or argument, what was found and what was
/// expected.
class VILA_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message);
  Error(const Error&);
  ~Error() override;
  /// The kind of failure.
  ErrorCode code() const noexcept { return code_; }
  /// "<number of the code>:<what()>", for bindings that carry only one string across a language border.
  const char* coded() const noexcept { return coded_.c_str(); }

 private:
  ErrorCode code_;
  std::string coded_;
};

/// Severity of a log line, least severe first.
enum class LogLevel : int { trace = 0, debug = 1, info = 2, warn = 3, error = 4 };

/// Receives log lines. Called from any thread, possibly several at once; must not throw and must not call into vila.
class VILA_API LogListener {
 public:
  virtual ~LogListener();
  /// `message` is one line of UTF-8 without its line end.
  virtual void on_log(LogLevel level, const std::string& message) = 0;
};

/// Sends log lines of at least `level` to `listener` (not owned; must outlive its use) instead of nowhere; null removes it.
/// When it returns, no call into the earlier listener is running any more.
VILA_API void set_log_listener(LogListener* listener, LogLevel level);

/// Receives progress of long work (compiling plans, loading). Called from the thread that does the work.
class VILA_API ProgressListener {
 public:
  virtual ~ProgressListener();
  /// `stage` is a short name ("vision plan"), `fraction` is 0..1 over the whole work. Returning false cancels the work: the
  /// call that reports it throws Error{cancelled} and leaves nothing half-written.
  virtual bool on_progress(const std::string& stage, double fraction) = 0;
};

/// "0.1.0" and so on.
VILA_API std::string version();

/// The live objects of this process by type, as lines "Type count", for leak tests. Types whose count is zero are listed too.
VILA_API std::string live_objects();

/// Sum of all counts of live_objects().
VILA_API int64_t live_object_count();

/// One line of a self-check.
class VILA_API Check {
 public:
  std::string name;    ///< what was looked at, for example "ONNX Runtime library"
  bool ok = false;     ///< usable
  bool required = false;  ///< whether vila4j cannot work at all without it
  std::string detail;  ///< version and path, or what is missing and what to do about it, in plain words
};

/// Looks at libraries, devices and CPU features, loading what it can; never throws for something that is missing.
VILA_API std::vector<Check> doctor();

/// Multiply-accumulates a second that this processor's best instructions for 8 bits reach, of those that vila4j uses, on registers
/// alone: measured for a quarter of a second in `threads` threads (0: physical cores; at most 1024). No product reaches it, because
/// numbers have to be read, unpacked and scaled, too. Throws invalid_argument for other threads.
VILA_API double int8_peak(int32_t threads);

/// The same for products with weights in bfloat16: in that type where the processor multiplies it, else in float32.
VILA_API double bf16_peak(int32_t threads);

/// Where to find the ONNX Runtime shared library; empty goes back to the default search: the environment variable
/// VILA_ONNXRUNTIME, the folder of this library, then the system's search path. Takes effect before the first Model is loaded.
VILA_API void set_onnxruntime_path(const std::string& path);

/// The file libvila_cuda.so, which the backend tensorrt needs; empty goes back to the default search: the environment variable
/// VILA_CUDA, the folder of this library, the system's search path. Takes effect before that backend is first used. Any thread.
VILA_API void set_cuda_library_path(const std::string& path);

/// The folder of TensorRT's libraries (libnvinfer.so.11, libnvonnxparser.so.11), which the backend tensorrt needs; empty goes
/// back to the default search: the environment variable VILA_TENSORRT, the system's search path, the folders into which JavaCPP
/// unpacks TensorRT's redistributable jar. Takes effect before that backend is first used. Any thread.
VILA_API void set_tensorrt_path(const std::string& folder);

/// The file of the TensorRT that would be used, opening it; empty where none is found (doctor() says why). Any thread.
VILA_API std::string tensorrt_path();

/// An RGB image, 8 bits a channel, row by row, immutable. Its pixels are the image's own in the host's memory, or a caller's in the
/// memory of a CUDA device (from_device()).
class VILA_API Image {
 public:
  /// Decodes JPEG, PNG or WebP (told apart by content) as Pillow's convert("RGB") would: alpha is dropped, EXIF rotation is
  /// not applied. Throws not_found, io, bad_file, unsupported (another format), capacity (more than 1<<28 pixels).
  static Image from_file(const std::string& path);
  /// The same from memory; `name` is used in messages.
  static Image from_memory(const uint8_t* bytes, size_t size, const std::string& name);
  /// Copies `width`*`height`*3 bytes of RGB.
  static Image from_rgb(const uint8_t* rgb, size_t size, int32_t width, int32_t height);
  /// Pixels that stay where they are, in the memory of the CUDA device of the model that reads them (LoadOptions::device): `rgb` is
  /// a pointer of the runtime API, or a CUdeviceptr of its primary context, to `height` rows of `width` pixels of 3 bytes, `stride`
  /// bytes from row to row. Only a model of the backend tensorrt reads them; others throw unsupported. Nothing is copied here, no CUDA
  /// function is called, and nothing of the caller's is ever freed or written.
  ///
  /// `stream` is a cudaStream_t (CUstream; null: the default stream) that the pixels are ready on: every call that takes this
  /// image, in a prompt or by itself, reads them behind what the stream has been given before that call, without waiting on the
  /// host. The stream must not be capturing. Memory and stream must stay, and the pixels unchanged, until the last such call has
  /// returned; what the stream is given after a call has returned may write to them at once.
  ///
  /// Pixels are never hashed: the caches of image tokens and of prompts know them by `key`. Equal keys of images of one size
  /// promise equal pixels. Without one (empty), copies of this handle are one image and no other is equal to it: then make a new
  /// one when the pixels change.
  ///
  /// Throws invalid_argument for null, for sides that are not 1 to 65500, and for a stride of less than 3 * width; capacity for
  /// more than 1<<28 pixels. A call that reads the pixels throws invalid_argument where `rgb` is no memory of that device.
  static Image from_device(const void* rgb, int32_t width, int32_t height, int64_t stride, void* stream, const std::string& key);

  Image(const Image&);
  Image& operator=(const Image&);
  ~Image();

  int32_t width() const noexcept;
  int32_t height() const noexcept;
  /// Whether the pixels are in the memory of a device.
  bool on_device() const noexcept;
  /// width*height*3 bytes, valid as long as this image lives; null for pixels on a device.
  const uint8_t* rgb() const noexcept;
  /// Bytes of rgb(); 0 for pixels on a device.
  size_t rgb_size() const noexcept;
  /// Bicubic resize, bit-exact with Pillow's Image.resize (a = -0.5, antialiased, 8-bit two-pass). Throws unsupported for pixels
  /// on a device.
  Image resize(int32_t width, int32_t height) const;
  /// 128-bit hash of size and pixels, or of size and key on a device, as 32 hex digits: the key of the image cache.
  std::string content_hash() const;

  struct Impl;
  explicit Image(std::shared_ptr<const Impl> impl);
  const std::shared_ptr<const Impl>& impl() const noexcept { return impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Text to token ids and back, exactly as the checkpoint's own tokenizer.
class VILA_API Tokenizer {
 public:
  Tokenizer(const Tokenizer&);
  Tokenizer& operator=(const Tokenizer&);
  ~Tokenizer();

  /// Opens the tokenizer of a checkpoint folder (or of a folder that holds only tokenizer files) without loading weights.
  static Tokenizer load(const std::string& path);
  /// Encodes UTF-8 text. Special tokens written in the text become their ids. With `add_special_tokens`, what the tokenizer
  /// itself adds (usually a leading BOS) is added. Throws invalid_argument on text that is not UTF-8.
  std::vector<int32_t> encode(const std::string& text, bool add_special_tokens) const;
  /// The text of ids; bytes that are no UTF-8 become U+FFFD. Throws invalid_argument on an id outside the vocabulary.
  std::string decode(const std::vector<int32_t>& ids, bool skip_special_tokens) const;
  /// Number of ids, added tokens included.
  int32_t vocab_size() const noexcept;
  /// -1 where the tokenizer has none.
  int32_t bos_id() const noexcept;
  int32_t eos_id() const noexcept;
  /// The id of an exact piece or added token, or -1.
  int32_t token_to_id(const std::string& token) const;
  /// The piece as it is stored (with its ▁ or byte-level letters); throws invalid_argument outside the vocabulary.
  std::string id_to_token(int32_t id) const;

  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);

 private:
  std::shared_ptr<const Impl> impl_;
};

/// How a model spreads the frames it looks at over a video.
enum class FrameRule : int {
  truncated = 0,  ///< VILA 1.0 and 1.5: from the first frame to the last but one, fractions dropped
  rounded = 1     ///< NVILA: from the first frame to the last, fractions rounded (half to even)
};

/// Which frames of a video a model looks at.
class VILA_API VideoSampling {
 public:
  static constexpr int32_t kMaxFrames = 4096;
  static constexpr double kMaxFps = 1000;

  FrameRule rule = FrameRule::truncated;
  int32_t frames = 8;                 ///< how many, 1 to kMaxFrames
  double fps = 0;                     ///< 0 to kMaxFps; with the rule rounded, > 0 takes so many a second, at most `frames`
  /// The numbers of the frames to show, ascending, of a video of `frame_count` frames with `video_fps` frames a second (0: unknown,
  /// as with a folder of images; `fps` then has no effect). -1 is a black frame of the size of the video's last one.
  /// - truncated: floor(i * (frame_count - 2) / (frames - 1)) where there are more frames than are shown; else all of them, black
  ///   ones in front of them up to `frames`.
  /// - rounded: round(i * (frame_count - 1) / (frames - 1)), so a short video's frames come several times; with `fps`, the frames
  ///   at 0, 1/fps, 2/fps, ... seconds.
  /// Throws invalid_argument for fields outside their bounds, for no frames, and for the rule truncated where the only frame of a
  /// video would stand behind black ones.
  std::vector<int32_t> frame_indices(int64_t frame_count, double video_fps) const;
};

/// Who speaks in a turn.
enum class Role : int { user = 0, assistant = 1 };

/// A conversation with images anywhere in it. Turns alternate user, assistant, user, ..., and end with the user's.
class VILA_API Prompt {
 public:
  Prompt();
  Prompt(const Prompt&);
  Prompt& operator=(const Prompt&);
  ~Prompt();

  /// Begins a turn. Throws invalid_argument where the order user, assistant, user is broken.
  Prompt& begin_turn(Role role);
  /// Appends text to the current turn. `<image>` in it is plain text here. Throws invalid_argument on text that is not UTF-8.
  Prompt& add_text(const std::string& text);
  /// Appends an image to the current turn (user turns only).
  Prompt& add_image(const Image& image);
  /// Appends a video to the current turn (user turns only): the frames that VideoSampling::frame_indices chose, each as an image in
  /// the model's form. VILA 1.0 and 1.5 write "<image>\n" for a frame, NVILA "<image>". Throws invalid_argument without frames.
  Prompt& add_video(const std::vector<Image>& frames);
  /// Appends text that marks each image with `<image>`, as add_marked_turn() does, to the current turn.
  Prompt& add_marked_text(const std::string& text);
  /// Begins a turn whose text marks each image with `<image>`; the images are taken from those given to place_images().
  Prompt& add_marked_turn(Role role, const std::string& text);
  /// Gives the images of the `<image>` marks, in order. Throws invalid_argument unless their number equals the marks'. When no
  /// turn has a mark at all, "<image>\n" is put before the first user turn once per image, as VILA's own command line does.
  Prompt& place_images(const std::vector<Image>& images);
  /// Replaces the template's system text.
  Prompt& set_system(const std::string& text);
  /// Uses a template other than the model's own: vicuna_v1, vicuna_v1_nosys, llava15, llama_3, llama_3_fix, llama_3_tinychat,
  /// hermes-2, mpt, llama_2, plain, qwen2. Checked when the prompt is used.
  Prompt& set_template(const std::string& id);

  int32_t turn_count() const noexcept;
  int32_t image_count() const noexcept;

  struct Impl;
  const Impl& impl() const noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// A prompt as the model sees it.
class VILA_API TokenizedPrompt {
 public:
  std::string text;                   ///< the turns in their template, `<image>` marking each image
  /// As the model's tokenizer gives them for `text`, one placeholder id per image. NVILA's line end behind each image is among the
  /// positions of the sequence, but it is neither text nor part of an image's span.
  std::vector<int32_t> input_ids;
  int32_t sequence_length = 0;        ///< positions after the placeholders are replaced by image tokens
  std::vector<int32_t> image_spans;   ///< start, length of each image in that sequence, flattened pairs
};

/// How to generate. Each field's default is the engine's.
class VILA_API GenerationOptions {
 public:
  int32_t max_new_tokens = 512;       ///< at least 1; also bounded by the context
  float temperature = 0.0f;           ///< 0 is greedy
  int32_t top_k = 0;                  ///< 0 is off
  float top_p = 1.0f;                 ///< (0, 1]; 1 is off
  float min_p = 0.0f;                 ///< [0, 1); 0 is off: drops tokens below min_p times the best probability
  float repetition_penalty = 1.0f;    ///< > 0; divides positive and multiplies negative logits of seen ids (prompt and answer)
  float presence_penalty = 0.0f;      ///< subtracted once from the logits of generated ids
  float frequency_penalty = 0.0f;     ///< subtracted per occurrence from the logits of generated ids
  int64_t seed = -1;                  ///< < 0: a fresh seed each call, reported in Completion::seed
  int32_t top_logprobs = -1;          ///< -1: no log probabilities; n >= 0: the chosen token's and the n best, at most 20
  bool ignore_eos = false;            ///< generate on past the model's own stop ids
  /// Keep the positions that this session's cache shares with the prompt, or copy those that another session's shares with it
  /// (LoadOptions::prefix_cache_bytes). False computes the prompt afresh.
  bool reuse_prefix = true;
  std::vector<std::string> stop;      ///< stop strings; the answer ends before the first one
  std::vector<int32_t> stop_ids;      ///< besides the model's own
};

/// Why generation ended.
enum class FinishReason : int { stop_id = 0, stop_string = 1, length = 2, cancelled = 3 };

/// A token and the natural logarithm of its probability (before temperature and penalties).
class VILA_API TokenProbability {
 public:
  int32_t id = 0;
  float logprob = 0.0f;
};

/// What generation gave.
class VILA_API Completion {
 public:
  std::string text;                   ///< UTF-8, without stop string and without special tokens
  std::vector<int32_t> ids;           ///< generated ids; a stop id that ended generation is not among them
  FinishReason finish_reason = FinishReason::length;
  int32_t prompt_tokens = 0;          ///< positions of the prompt, image tokens included
  int32_t image_tokens = 0;           ///< those that are image tokens
  int32_t cached_tokens = 0;          ///< positions of the prompt that were in this session's cache or another's, not computed
  int32_t completion_tokens = 0;      ///< ids.size()
  int64_t seed = 0;                   ///< the seed that was used
  double image_seconds = 0;           ///< decoding and encoding images
  double prefill_seconds = 0;
  double decode_seconds = 0;
  std::vector<float> logprobs;        ///< of ids, when asked for
  std::vector<TokenProbability> top_logprobs;  ///< options.top_logprobs entries per id, best first, flattened
};

/// Receives the answer as it grows. Called from the thread inside Session::generate. While it does not return, its own request
/// pauses but keeps its place among LoadOptions::max_requests: the others that are computed at once go on, those that wait wait on.
class VILA_API TokenListener {
 public:
  virtual ~TokenListener();
  /// Asked once, when the call has begun and before it waits for anything; true unless overridden. Returning false cancels. A
  /// Session::cancel() that comes before the call has begun does nothing; one that comes while or after this is asked counts. So a
  /// wish to cancel is never lost when a flag is set first, then Session::cancel() is called, and this returns whether the flag is
  /// unset.
  virtual bool on_begin();
  /// One call per generated id, in order, and a last one with id -1 where text was still held back. `text` may be empty; it never
  /// ends within a UTF-8 character and never reaches into a stop string. Concatenated, the texts are Completion::text. Returning
  /// false cancels after this token.
  virtual bool on_token(int32_t id, const std::string& text) = 0;
};

/// How to load a model.
class VILA_API LoadOptions {
 public:
  std::string backend = "auto";       ///< "auto", "onnxruntime", or "tensorrt": a CUDA device, with libvila_cuda.so and TensorRT 11
  /// "fp32", "bf16" (weights of linear layers in bfloat16, read from the checkpoint's own files where these have that type, else
  /// rounded and written once; what enters them rounded to it where the processor multiplies bfloat16; the KV cache in fp16),
  /// "int8" (weights of linear layers and what enters them in 8 bits, the KV cache in fp16), "int4" (the same, the decoder's blocks
  /// in 4 bits, but for layers that this would harm), or "default": the first of these whose weights take at most 0.6 of the
  /// memory, or int4. Quantised weights are written once. For tensorrt "fp32", "fp16", "bf16", "fp8", "int8", "int4"; its default
  /// is the checkpoint's type.
  std::string precision = "default";
  std::string cache_dir;              ///< folder of compiled plans; empty: $VILA_CACHE, $XDG_CACHE_HOME/vila4j, ~/.cache/vila4j
  int32_t device = 0;                 ///< for tensorrt: the CUDA device's number, as doctor() lists them; 0 for other backends
  int32_t threads = 0;                ///< threads of one computation; 0: the number of physical cores
  int32_t context_length = 0;         ///< most positions of one session; 0: the checkpoint's own limit
  /// Requests (Session::generate, prefill, decode) that are computed at once, at least 1; further ones wait in the order of arrival.
  /// Those at once share each decode step (bf16, int8 and int4, and on tensorrt; in fp32 on the CPU they take turns), and each
  /// holds its session's KV cache.
  int32_t max_requests = 8;
  int64_t image_cache_bytes = 256LL << 20;  ///< bound of the image token cache; 0 turns it off
  /// Bound of the prefix cache: keys and values that ended sessions leave behind, for prompts that begin likewise (the examples of
  /// few-shot prompts, long instructions, a conversation that is sent whole). 0 turns it off; then sessions share nothing with open
  /// ones either.
  int64_t prefix_cache_bytes = 512LL << 20;
  std::string prompt_template;        ///< empty: the checkpoint's own
  /// Only vision tower and projector: Model::encode_image() and its like work, new_session() throws unsupported, and nothing of the
  /// language model is compiled or loaded. A synthetic checkpoint then has fp32 too, its matrices drawn at random.
  bool images_only = false;
};

/// What a checkpoint is.
class VILA_API ModelInfo {
 public:
  std::string path;
  std::string family;                 ///< "vila1.5", "vila1.0", ...
  std::string language_model;         ///< "llama: 32 layers, hidden 2560, ..."
  std::string vision_tower;
  std::string projector;
  std::string prompt_template;
  std::string preprocessing;
  std::string weight_dtype;           ///< of the checkpoint: "bf16", "fp16", "fp32", "awq int4, group 128"
  std::string precision;              ///< of the plans: "bf16", "int4, 19 of 56 layers int8", "bf16, weights int4 group 128"
  std::string backend;                ///< "onnxruntime 1.28.0"
  int32_t tokens_per_image = 0;       ///< of an image as one square
  bool tiles = false;                 ///< whether an image that is alone in its prompt is cut into tiles
  int32_t context_length = 0;
  int32_t vocab_size = 0;
  int32_t hidden_size = 0;
  int32_t image_placeholder_id = -200;
  std::vector<int32_t> eos_ids;
  int64_t weight_bytes = 0;           ///< in the checkpoint
  int64_t kv_bytes_per_token = 0;
  int64_t parameters = 0;
  int64_t block_parameters = 0;       ///< of the decoder blocks' linear layers: multiply-accumulates of a position, attention aside
};

/// What the tensors of one part of a model amount to.
class VILA_API PartSize {
 public:
  int64_t parameters = 0;             ///< of the tensors that are used
  int64_t bytes = 0;                  ///< of these tensors as they are stored
};

/// What a checkpoint folder holds, whether or not it can be run. What could not be read is empty or zero.
class VILA_API CheckpointReport {
 public:
  ModelInfo info;                     ///< as Model::describe() has it, with the precision that loading chooses here by itself
  std::string precision_reason;       ///< why it is chosen: what the weights take, and the memory
  std::vector<std::string> problems;  ///< everything that keeps it from running, a line each that names the file; empty: it runs
  PartSize language;
  PartSize vision;                    ///< of the layers that are run
  PartSize projector;
  int64_t file_bytes = 0;             ///< of the files that hold the weights, each counted once
  std::string tokenizer;              ///< kind and file: "SentencePiece, tokenizer.model"
  int32_t tokenizer_size = 0;         ///< number of its ids
  std::string template_reason;        ///< why info.prompt_template was chosen
  std::vector<std::string> templates; ///< the ids of every template that can be chosen instead
  int32_t min_single_image_tokens = 0;  ///< of an image that is the only one of its prompt: models that tile look closer at it
  int32_t max_single_image_tokens = 0;
  int32_t video_frames = 0;           ///< that the model looks at in a video
  int32_t video_tokens = 0;           ///< of all of them
  /// Of the compiled plans on disk, those of packed weights as far as they can be known without reading them; 0 where it cannot run.
  int64_t plan_bytes = 0;
  int64_t weight_memory_bytes = 0;    ///< that the plans hold in memory; the embedding table is read from its file
};

/// Reads the configuration, the tokenizer and the headers of the weight files of a checkpoint folder, no weights. Throws nothing
/// for what is wrong with the folder: that is in the report.
VILA_API CheckpointReport inspect_checkpoint(const std::string& path);

/// The folder of a checkpoint with random weights, for measuring without a model: `model` is "vila1.5-3b", "llama3-8b"
/// (Llama-3-VILA1.5-8B), "vila-7b" or "vila-13b", whose sizes it has. It is written into the folder `cache_dir` (as
/// LoadOptions::cache_dir) where it is not there yet. It runs in bf16, int8 and int4 (with LoadOptions::images_only in fp32, too):
/// its files hold what plans read as it is, matrices are drawn at random when plans are made. Its tokenizer has an id a byte. Any
/// thread. Throws invalid_argument for another name, io where the folder cannot be written.
VILA_API std::string synthetic_checkpoint(const std::string& model, const std::string& cache_dir);

/// The stages of one image as numbers, for comparison with other implementations. Row-major float32.
class VILA_API EncodedImage {
 public:
  std::vector<int64_t> pixel_shape;     ///< [1,3,H,W]; of tiles see Model::encode_tiles
  std::vector<float> pixel_values;
  std::vector<int64_t> feature_shape;   ///< [1,N,C]
  std::vector<float> vision_features;
  std::vector<int64_t> projected_shape; ///< [1,M,D]
  std::vector<float> projected;
};

class Session;

/// A loaded checkpoint: compiled plans, tokenizer and image cache. Thread-safe: sessions in several threads are computed together,
/// token by token (LoadOptions::max_requests).
class VILA_API Model {
 public:
  /// Loads a checkpoint folder, compiling its plans first where the cache holds none. `progress` may be null; it is not kept.
  static Model load(const std::string& path, const LoadOptions& options, ProgressListener* progress);
  /// Only compiles the plans into the cache; returns a line per file: its name, bytes, and whether it was there already.
  static std::vector<std::string> compile(const std::string& path, const LoadOptions& options, ProgressListener* progress);
  /// Reads only configuration and headers: what a checkpoint is, without loading weights.
  static ModelInfo describe(const std::string& path);

  Model(const Model&);
  Model& operator=(const Model&);
  ~Model();

  ModelInfo info() const;
  Tokenizer tokenizer() const;
  /// Which frames of a video this model looks at: the rule of its family with the checkpoint's num_video_frames and fps.
  VideoSampling video_sampling() const;
  /// A new session with an empty cache; memory is taken as prompts need it. Throws unsupported after LoadOptions::images_only.
  Session new_session() const;
  /// The prompt in its template as text, ids and spans.
  TokenizedPrompt tokenize(const Prompt& prompt) const;
  /// Runs one image, untiled, through every stage; nothing is taken from or put into the image cache.
  EncodedImage encode_image(const Image& image) const;
  /// The same for an image that is alone in its prompt, where the model cuts such an image into tiles (ModelInfo::tiles). "dynamic":
  /// pixels [T,3,H,W], features [T,N,C] and tokens [T,M,D] of the T tiles in order, the thumbnail last. "dynamic_s2": pixels of the
  /// T tiles of all scales in order, features [B,N,C] of the B blocks that enter the projector, tokens [1,B*M,D] as they enter the
  /// prompt. Throws unsupported for other models.
  EncodedImage encode_tiles(const Image& image) const;
  /// Those of one square from pixel values [1,3,H,W] of the tower's own size.
  EncodedImage encode_pixels(const std::vector<float>& pixel_values) const;
  /// Bytes and entries that the image token cache holds, and its hits and misses so far.
  int64_t image_cache_bytes() const;
  int64_t image_cache_entries() const;
  int64_t image_cache_hits() const;
  int64_t image_cache_misses() const;
  /// Bytes and sequences that ended sessions have left in the prefix cache; prompts so far that copied positions from these or from
  /// open sessions, and how many positions.
  int64_t prefix_cache_bytes() const;
  int64_t prefix_cache_entries() const;
  int64_t prefix_cache_hits() const;
  int64_t prefix_cache_positions() const;

  struct Impl;
  explicit Model(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;
};

/// One conversation's state: its KV cache and sampler. One call at a time.
class VILA_API Session {
 public:
  Session(const Session&);
  Session& operator=(const Session&);
  ~Session();

  /// Answers a prompt. `listener` may be null. Positions that a cache shares with the prompt are reused. On error the cache is
  /// rolled back to what it held before, or emptied; the session stays usable. A cancelled call returns what was generated, with
  /// FinishReason::cancelled. Throws capacity when the prompt does not fit the context.
  Completion generate(const Prompt& prompt, const GenerationOptions& options, TokenListener* listener);

  /// Step by step, for those who sample themselves: computes the prompt afresh; logits() is then of its last position.
  void prefill(const Prompt& prompt);
  /// Appends one token; logits() is then of its position. Throws capacity at the context's end.
  void decode(int32_t id);
  /// Float32 [vocab_size] of the last position computed. Throws invalid_argument before the first prefill.
  std::vector<float> logits() const;

  /// Stops the call that is running in this session, at its next step; without one it does nothing. Any thread.
  void cancel() noexcept;
  /// Positions in the cache.
  int32_t position() const noexcept;
  /// Forgets everything; memory is kept.
  void reset();

  struct Impl;
  explicit Session(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;
};

/// One prompt of a prompts.json file.
class VILA_API PromptCase {
 public:
  std::string name;                   ///< usable as a file name: not empty, no '/', no "..", unique in its file
  std::string prompt_template;        ///< id for Prompt::set_template; empty: the model's own
  std::vector<std::string> turns;     ///< user, assistant, user, ...; `<image>` marks an image
  std::vector<std::string> images;    ///< file names in order, one per mark
};

/// Reads `{"prompts": [{"name", "template", "turns", "images"}, ...]}` ("template" and "images" may be absent; other keys are
/// ignored). Throws not_found, io, capacity, and bad_file naming the file, the prompt and the field.
VILA_API std::vector<PromptCase> read_prompts(const std::string& path);

}  // namespace vila

#endif  // VILA_VILA_H
