// SPDX-License-Identifier: Apache-2.0
// The search for TensorRT's libraries, on folders of made-up ones.
#include <doctest/doctest.h>

#include <filesystem>

#include "plan/environment.h"
#include "plan/tensorrt/library.h"
#include "support/npy.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT
using namespace vila::plan;     // NOLINT
namespace fs = std::filesystem;

namespace {

const std::string kGood = std::string(VILA_FAKE_FOLDER) + "/fake_tensorrt", kOld = std::string(VILA_FAKE_FOLDER) + "/fake_tensorrt_10";

}  // namespace

TEST_CASE("TensorRT: a folder that was set is the only one looked at") {
  const Variable variable("VILA_TENSORRT", kGood);
  const tensorrt::Search good = tensorrt::search_library(kGood);
  REQUIRE(good.found);
  CHECK(good.misses.empty());
  CHECK(good.found->version == "11.2.1");
  CHECK(good.found->path == kGood + "/libnvinfer.so.11");
  CHECK(good.found->parser_path == kGood + "/libnvonnxparser.so.11");
  CHECK(good.found->create_builder(nullptr, 0) == nullptr);
  const tensorrt::Search none = tensorrt::search_library("/nowhere");
  CHECK_FALSE(none.found);
  CHECK(none.all_misses() ==
        "tried the folder that was set, /nowhere/libnvinfer.so.11: cannot open shared object file: No such file or directory; install "
        "NVIDIA's packages of TensorRT 11, or put the Maven artifact org.bytedeco:tensorrt with the classifier linux-x86_64-redist "
        "on the class path, or name a folder with libnvinfer.so.11 and libnvonnxparser.so.11 in VILA_TENSORRT");
}

TEST_CASE("TensorRT: the folder of set_tensorrt_path is taken before the variable, and given up again") {
  const Variable variable("VILA_TENSORRT", kOld);
  set_tensorrt_path(kGood);
  CHECK(tensorrt_path() == kGood + "/libnvinfer.so.11");
  CHECK(tensorrt::search_for_process().misses.empty());
  set_tensorrt_path("/nowhere");
  CHECK(tensorrt_path().empty());
  set_tensorrt_path("");
  REQUIRE(!tensorrt::search_for_process().misses.empty());
  CHECK(tensorrt::search_for_process().misses[0].place == "VILA_TENSORRT " + kOld + "/libnvinfer.so.11");
}

TEST_CASE("TensorRT: another major version, a stranger and a library alone are refused with the reason") {
  const auto reason = [](const std::string& folder) {
    const tensorrt::Search search = tensorrt::search_library(folder);
    REQUIRE_FALSE(search.found);
    REQUIRE(search.misses.size() == 1);
    return search.misses[0].place + ": " + search.misses[0].reason;
  };
  CHECK(reason(kOld) == "the folder that was set, " + kOld + "/libnvinfer.so.11: version 10.9.0, expected 11.x");
  const TempDir temp;
  fs::copy(kGood + "/libnvonnxparser.so.11", temp / "libnvinfer.so.11");
  CHECK(reason(temp.path().string()) ==
        "the folder that was set, " + (temp / "libnvinfer.so.11").string() + ": lacks the functions of TensorRT");
  const TempDir alone;
  fs::copy(kGood + "/libnvinfer.so.11", alone / "libnvinfer.so.11");
  CHECK(reason(alone.path().string()) == "the folder that was set, " + (alone / "libnvonnxparser.so.11").string() +
                                             ": cannot open shared object file: No such file or directory");
  fs::copy(kGood + "/libnvinfer.so.11", alone / "libnvonnxparser.so.11");
  CHECK(reason(alone.path().string()) == "the folder that was set, " + (alone / "libnvonnxparser.so.11").string() +
                                             ": lacks the functions of TensorRT's ONNX parser");
}

TEST_CASE("TensorRT: the variable comes first, JavaCPP's unpacked jar last, newest first") {
  const TempDir home;
  const Variable variable("VILA_TENSORRT", kOld), user("HOME", home.path().string());
  for (const char* version : {"11.2-1.5.14", "11.10-1.5.16", "11.9-1.5.15"}) {
    const fs::path folder = home / (std::string(".javacpp/cache/tensorrt-") + version + "-linux-x86_64-redist.jar/org/bytedeco/tensorrt/linux-x86_64");
    fs::create_directories(folder);
    fs::copy(kGood, folder);
  }
  const tensorrt::Search search = tensorrt::search_library("");
  REQUIRE(search.found);
  REQUIRE(!search.misses.empty());
  CHECK(search.misses[0].place == "VILA_TENSORRT " + kOld + "/libnvinfer.so.11");
  if (search.misses.size() == 2) {  // the system has none
    CHECK(search.misses[1].place == "the system's libnvinfer.so.11");
    CHECK(search.found->path.find("tensorrt-11.10-1.5.16") != std::string::npos);
  }
}
