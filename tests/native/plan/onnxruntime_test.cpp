// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <numeric>
#include <thread>

#include "common/log.h"
#include "plan/plan.h"
#include "plan/small_graph.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::plan;     // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

/// sum = a + b over [rows, 3], rows dynamic; b is a constant row.
graph::Graph add_graph() {
  graph::Graph g = new_graph();
  g.inputs = {{"a", DType::f32, {"rows", 3}}};
  g.outputs = {{"sum", DType::f32, {"rows", 3}}};
  g.initializers = {constant<float>("b", DType::f32, {3}, {10, 20, 30})};
  g.nodes = {{"Add", "", "add", {"a", "b"}, {"sum"}, {}}};
  return g;
}

/// y = x * w * w * ... with `count` products of size x size: long, and made of many operators.
graph::Graph chain_graph(int64_t size, int count) {
  graph::Graph g = new_graph();
  g.inputs = {{"x", DType::f32, {size, size}}};
  g.outputs = {{"y", DType::f32, {size, size}}};
  g.initializers = {
      constant<float>("w", DType::f32, {size, size}, std::vector<float>(static_cast<size_t>(size * size), 1.0f / static_cast<float>(size)))};
  std::string last = "x";
  for (int i = 0; i < count; ++i) {
    const std::string next = i + 1 == count ? "y" : join("t", i);
    g.nodes.push_back({"MatMul", "", join("m", i), {last, "w"}, {next}, {}});
    last = next;
  }
  return g;
}

std::unique_ptr<Plan> compile(const graph::Graph& g, int threads = 2) {
  CompileOptions options;
  options.threads = threads;
  return onnxruntime_backend()->compile(graph::serialize(g), "test plan", options);
}

class Lines final : public LogListener {
 public:
  explicit Lines(LogLevel level) { set_log_listener(this, level); }
  ~Lines() override { set_log_listener(nullptr, LogLevel::error); }
  void on_log(LogLevel level, const std::string& message) override {
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(level, message);
  }
  bool contains(LogLevel level, const std::string& part) {
    const std::lock_guard lock(mutex_);
    for (const auto& [l, text] : lines_) {
      if (l == level && text.find(part) != std::string::npos && text.find('\n') == std::string::npos) return true;
    }
    return false;
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<LogLevel, std::string>> lines_;
};

}  // namespace

TEST_CASE("the backend says its name and version") {
  const auto backend = onnxruntime_backend();
  CHECK(backend->name() == "onnxruntime");
  CHECK(backend->version().starts_with("1."));
}

TEST_CASE("a plan computes on the caller's memory, at any size of a dynamic dimension") {
  const auto plan = compile(add_graph());
  for (int64_t rows : {1, 4, 0, 7}) {
    std::vector<float> a(static_cast<size_t>(rows * 3)), sum(a.size(), -1);
    std::iota(a.begin(), a.end(), 0.0f);
    plan->run({{"a", DType::f32, {rows, 3}, a.data()}}, {{"sum", DType::f32, {rows, 3}, sum.data()}}, nullptr);
    for (size_t i = 0; i < a.size(); ++i) CHECK(sum[i] == a[i] + 10.0f * static_cast<float>(i % 3 + 1));
  }
}

TEST_CASE("bindings that do not fit the graph are refused by name") {
  const auto plan = compile(add_graph());
  float a[6] = {}, sum[6] = {};
  const Binding good_in{"a", DType::f32, {2, 3}, a}, good_out{"sum", DType::f32, {2, 3}, sum};
  const auto message = [&](const std::vector<Binding>& in, const std::vector<Binding>& out) {
    return error_of([&] { plan->run(in, out, nullptr); });
  };
  CHECK(message({}, {good_out}) == "10:test plan, input \"a\": not bound");
  CHECK(message({good_in}, {}) == "10:test plan, output \"sum\": not bound");
  CHECK(message({good_in, good_in}, {good_out}) == "10:test plan, input \"a\": bound twice");
  CHECK(message({good_in, {"c", DType::f32, {1}, a}}, {good_out}) == "10:test plan, input \"c\": the graph has none of this name");
  CHECK(message({{"a", DType::f16, {2, 3}, a}}, {good_out}) == "10:test plan, input \"a\": fp16 is bound, the graph has fp32");
  CHECK(message({{"a", DType::f32, {2, 4}, a}}, {good_out}) == "10:test plan, input \"a\": shape [2,4] is bound, the graph has [?,3]");
  CHECK(message({{"a", DType::f32, {6}, a}}, {good_out}) == "10:test plan, input \"a\": shape [6] is bound, the graph has [?,3]");
  CHECK(message({{"a", DType::f32, {1LL << 62, 3}, a}}, {good_out}) ==
        "10:test plan, input \"a\": shape [4611686018427387904,3] is bound, the graph has [?,3]");
  CHECK(message({{"a", DType::f32, {2, 3}, nullptr}}, {good_out}) == "10:test plan, input \"a\": no memory is bound");
  // An output of the wrong size is found by ONNX Runtime, before anything is written.
  CHECK(message({good_in}, {{"sum", DType::f32, {1, 3}, sum}}).starts_with("9:test plan: ONNX Runtime: "));
  CHECK(message({good_in}, {good_out}) == "no error");
}

TEST_CASE("an output bound to an input's memory is written in place: a shared key/value cache") {
  // Two heads of size 4, capacity 8, one position a step.
  constexpr int64_t kHeads = 2, kSize = 8, kCapacity = 6;
  graph::Graph g = new_graph(true);
  g.inputs = {{"q", DType::f32, {1, 1, kHeads * kSize}},
              {"k", DType::f32, {1, 1, kHeads * kSize}},
              {"v", DType::f32, {1, 1, kHeads * kSize}},
              {"past_key", DType::f32, {1, kHeads, "capacity", kSize}},
              {"past_value", DType::f32, {1, kHeads, "capacity", kSize}},
              {"seqlens_k", DType::i32, {1}},
              {"total", DType::i32, std::vector<graph::Dim>{}}};
  g.outputs = {{"out", DType::f32, {1, 1, kHeads * kSize}},
               {"present_key", DType::f32, {1, kHeads, "capacity", kSize}},
               {"present_value", DType::f32, {1, kHeads, "capacity", kSize}}};
  g.nodes = {{"GroupQueryAttention",
              "com.microsoft",
              "attention",
              {"q", "k", "v", "past_key", "past_value", "seqlens_k", "total"},
              {"out", "present_key", "present_value"},
              {{"num_heads", kHeads}, {"kv_num_heads", kHeads}}}};
  const auto plan = compile(g);
  std::vector<float> keys(kHeads * kCapacity * kSize, 0.0f), values(keys.size(), 0.0f), out(kHeads * kSize);
  std::vector<std::vector<float>> seen_k, seen_v;
  for (int32_t step = 0; step < kCapacity; ++step) {
    std::vector<float> q(kHeads * kSize), k(q.size()), v(q.size());
    for (size_t i = 0; i < q.size(); ++i) {
      q[i] = std::sin(static_cast<float>(i) + static_cast<float>(step));
      k[i] = std::cos(2.0f * static_cast<float>(i) - static_cast<float>(step));
      v[i] = static_cast<float>(i) + 100.0f * static_cast<float>(step);
    }
    seen_k.push_back(k);
    seen_v.push_back(v);
    int32_t last = step, total = step + 1;
    const std::vector<int64_t> cache_shape{1, kHeads, kCapacity, kSize}, row{1, 1, kHeads * kSize};
    plan->run({{"q", DType::f32, row, q.data()},
               {"k", DType::f32, row, k.data()},
               {"v", DType::f32, row, v.data()},
               {"past_key", DType::f32, cache_shape, keys.data()},
               {"past_value", DType::f32, cache_shape, values.data()},
               {"seqlens_k", DType::i32, {1}, &last},
               {"total", DType::i32, {}, &total}},
              {{"out", DType::f32, row, out.data()},
               {"present_key", DType::f32, cache_shape, keys.data()},
               {"present_value", DType::f32, cache_shape, values.data()}},
              nullptr);
    for (int64_t head = 0; head < kHeads; ++head) {
      // The cache holds exactly what was given so far, and nothing beyond.
      for (int64_t position = 0; position < kCapacity; ++position) {
        for (int64_t i = 0; i < kSize; ++i) {
          const size_t at = static_cast<size_t>((head * kCapacity + position) * kSize + i);
          const size_t from = static_cast<size_t>(head * kSize + i);
          CHECK(keys[at] == (position <= step ? seen_k[static_cast<size_t>(position)][from] : 0.0f));
          CHECK(values[at] == (position <= step ? seen_v[static_cast<size_t>(position)][from] : 0.0f));
        }
      }
      // softmax(q k / sqrt(size)) v in double.
      std::vector<double> weights;
      double sum = 0;
      for (int32_t position = 0; position <= step; ++position) {
        double dot = 0;
        for (size_t i = static_cast<size_t>(head * kSize); i < static_cast<size_t>((head + 1) * kSize); ++i) {
          dot += static_cast<double>(q[i]) * static_cast<double>(seen_k[static_cast<size_t>(position)][i]);
        }
        weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(kSize))));
        sum += weights.back();
      }
      for (size_t i = static_cast<size_t>(head * kSize); i < static_cast<size_t>((head + 1) * kSize); ++i) {
        double want = 0;
        for (size_t position = 0; position < weights.size(); ++position) {
          want += weights[position] / sum * static_cast<double>(seen_v[position][i]);
        }
        CHECK(static_cast<double>(out[i]) == doctest::Approx(want).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("several threads run one plan at once, each on its own memory") {
  const auto plan = compile(add_graph());
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 0; i < 500; ++i) {
        const int64_t rows = 1 + (i + t) % 5;
        std::vector<float> a(static_cast<size_t>(rows * 3), static_cast<float>(t * 1000 + i)), sum(a.size());
        plan->run({{"a", DType::f32, {rows, 3}, a.data()}}, {{"sum", DType::f32, {rows, 3}, sum.data()}}, nullptr);
        for (size_t j = 0; j < sum.size(); ++j) {
          if (sum[j] != a[j] + 10.0f * static_cast<float>(j % 3 + 1)) ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("raising the stop source ends a long run promptly; the plan stays usable") {
  constexpr int64_t kSize = 512;
  const auto plan = compile(chain_graph(kSize, 3000));
  std::vector<float> x(kSize * kSize, 1.0f), y(x.size(), 0.0f);
  const std::vector<Binding> in{{"x", DType::f32, {kSize, kSize}, x.data()}}, out{{"y", DType::f32, {kSize, kSize}, y.data()}};
  StopSource stop;
  stop.raise();
  CHECK(error_of([&] { plan->run(in, out, &stop); }) == "8:test plan: cancelled");
  stop.clear();

  using Clock = std::chrono::steady_clock;
  Clock::time_point raised;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    raised = Clock::now();
    stop.raise();
  });
  const std::string message = error_of([&] { plan->run(in, out, &stop); });
  const auto ended = Clock::now();
  canceller.join();
  CHECK(message == "8:test plan: cancelled");
  const auto delay = std::chrono::duration_cast<std::chrono::milliseconds>(ended - raised).count();
  MESSAGE("from raise() to the end of the run: " << delay << " ms");
  CHECK(delay < 500);  // one product of 512 x 512 takes a few; the whole run takes seconds
  stop.clear();

  const auto short_plan = compile(chain_graph(4, 2));
  float small[16], result[16];
  std::fill(small, small + 16, 3.0f);
  short_plan->run({{"x", DType::f32, {4, 4}, small}}, {{"y", DType::f32, {4, 4}, result}}, &stop);
  for (float value : result) CHECK(value == 3.0f);
}

TEST_CASE("weights are read from where they lie, also through links and odd names") {
  const TempDir temp;
  const std::filesystem::path folder = temp / "blobs/wéights 重み";
  std::filesystem::create_directories(folder);
  const float weights[] = {-1, 10, 20, 30};  // one number before the tensor
  write_file(folder / "blob", std::string(reinterpret_cast<const char*>(weights), sizeof weights));
  std::filesystem::create_directories(temp / "snapshot");
  std::filesystem::create_symlink("../blobs/wéights 重み/blob", temp / "snapshot/model.safetensors");
  graph::Graph g = add_graph();
  const auto tensor = std::make_shared<TensorRef>();
  tensor->dtype = DType::f32;
  tensor->shape = {3};
  tensor->file = MappedFile::open((temp / "snapshot/model.safetensors").string());
  tensor->offset = 4;
  tensor->bytes = 12;
  g.initializers[0].inline_data.clear();
  g.initializers[0].source = tensor;
  const std::string onnx = graph::serialize(g);
  const auto plan = onnxruntime_backend()->compile(onnx, "test plan", {});
  float a[3] = {1, 2, 3}, sum[3] = {};
  plan->run({{"a", DType::f32, {1, 3}, a}}, {{"sum", DType::f32, {1, 3}, sum}}, nullptr);
  CHECK(sum[0] == 11);
  CHECK(sum[1] == 22);
  CHECK(sum[2] == 33);
  std::filesystem::remove(folder / "blob");
  const std::string message = error_of([&] { onnxruntime_backend()->compile(onnx, "test plan", {}); });
  CHECK(message.starts_with("9:test plan: ONNX Runtime cannot compile it: "));
  CHECK(message.find("wéights 重み/blob") != std::string::npos);
}

#ifndef __SANITIZE_ADDRESS__  // whose allocator keeps what was freed
TEST_CASE("ever new sizes do not make a plan grow") {
  const auto plan = compile(add_graph());
  const auto resident = [] {
    std::ifstream statm("/proc/self/statm");
    int64_t total = 0, pages = 0;
    statm >> total >> pages;
    return pages * 4096;
  };
  std::vector<float> a(3 * 4096, 1.0f), sum(a.size());
  const auto run = [&](int64_t rows) {
    plan->run({{"a", DType::f32, {rows, 3}, a.data()}}, {{"sum", DType::f32, {rows, 3}, sum.data()}}, nullptr);
  };
  run(4096);
  const int64_t before = resident();
  for (int round = 0; round < 5; ++round) {
    for (int64_t rows = 1; rows <= 4096; ++rows) run(rows);
  }
  CHECK(resident() - before < 1 << 20);  // 20480 runs, 4096 sizes: under 52 bytes a run
}
#endif

TEST_CASE("a graph that ONNX Runtime refuses gives its message in one line") {
  graph::Graph g = add_graph();
  g.nodes[0].op = "NoSuchOperator";
  const std::string message = error_of([&] { compile(g); });
  CHECK(message.starts_with("9:test plan: ONNX Runtime cannot compile it: "));
  CHECK(message.find("NoSuchOperator") != std::string::npos);
  CHECK(message.find('\n') == std::string::npos);
  CHECK(error_of([] { onnxruntime_backend()->compile("no protobuf", "bad", {}); }).starts_with("9:bad: ONNX Runtime cannot compile it: "));
}

TEST_CASE("ONNX Runtime's warnings reach the log listener") {
  Lines lines(LogLevel::warn);
  graph::Graph g = add_graph();
  g.initializers.push_back(constant<float>("nobody_uses_me", DType::f32, {1}, {1}));
  compile(g);
  CHECK(lines.contains(LogLevel::warn, "nobody_uses_me"));
  CHECK(lines.contains(LogLevel::warn, "ONNX Runtime, test plan: "));
}

TEST_CASE("plans are counted while they live") {
  const auto count = [] {
    const std::string all = live_objects();
    const size_t at = all.find("Plan ");
    return at == std::string::npos ? -1 : std::atoi(all.c_str() + at + 5);
  };
  const int before = count();
  REQUIRE(before >= 0);
  {
    const auto plan = compile(add_graph());
    CHECK(count() == before + 1);
  }
  CHECK(count() == before);
}
