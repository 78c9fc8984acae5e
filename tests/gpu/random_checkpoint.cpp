// SPDX-License-Identifier: Apache-2.0
// vila_random_checkpoint: a checkpoint whose matrices are random numbers, for measuring a model's real sizes on a backend that reads
// weights from the checkpoint. It is written beside the checkpoint that it is like, whose other tensors and files it takes over.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "vila/vila.h"

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kUsage =
    "usage: vila_random_checkpoint NAME|DIR INTO\n"
    "  NAME   vila1.5-3b, llama3-8b, vila-7b or vila-13b: the sizes of these models\n"
    "  DIR    a checkpoint of bf16 safetensors files in VILA1.5's three folders\n"
    "  INTO   the folder that gets the checkpoint; one that is there already stays as it is\n";
constexpr uint64_t kHeaderLimit = 100 << 20;
constexpr size_t kPiece = 1 << 20;  // numbers written at once

[[noreturn]] void refuse(const fs::path& path, const std::string& what) { throw std::runtime_error(path.string() + ": " + what); }

/// Numbers of bf16 around 0 with this deviation, one for each 16 bits of chance.
std::vector<uint16_t> uniform(float deviation) {
  std::vector<uint16_t> table(1 << 16);
  const float width = std::sqrt(12.0F) * deviation;
  for (size_t i = 0; i < table.size(); ++i) {
    const float value = width * ((static_cast<float>(i) + 0.5F) / static_cast<float>(table.size()) - 0.5F);
    table[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
  }
  return table;
}

/// SplitMix64.
class Chance {
 public:
  explicit Chance(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

void write_random(std::ofstream& out, uint64_t count, float deviation, Chance& chance) {
  const std::vector<uint16_t> table = uniform(deviation);
  std::vector<uint16_t> piece(kPiece);
  for (uint64_t left = count; left > 0;) {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(left, kPiece));
    for (size_t i = 0; i < size; i += 4) {
      uint64_t bits = chance.next();
      for (size_t k = i; k < std::min(i + 4, size); ++k, bits >>= 16) piece[k] = table[bits & 0xFFFF];
    }
    out.write(reinterpret_cast<const char*>(piece.data()), static_cast<std::streamsize>(2 * size));
    left -= size;
  }
}

/// One safetensors file: matrices at random, everything else as it is.
void write_weights(const fs::path& from, const fs::path& to, Chance& chance) {
  std::ifstream in(from, std::ios::binary);
  uint64_t length = 0;
  in.read(reinterpret_cast<char*>(&length), sizeof length);
  if (!in || length > kHeaderLimit || length > fs::file_size(from)) refuse(from, "no safetensors file");
  std::string text(length, '\0');
  in.read(text.data(), static_cast<std::streamsize>(length));
  std::ofstream out(to, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out << text;
  std::vector<std::pair<uint64_t, std::string>> order;
  const Json header = Json::parse(text);
  for (const auto& [name, tensor] : header.items()) {
    if (name != "__metadata__") order.emplace_back(tensor.at("data_offsets").at(0).get<uint64_t>(), name);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [begin, name] : order) {
    const Json& tensor = header.at(name);
    const auto shape = tensor.at("shape").get<std::vector<uint64_t>>();
    const uint64_t bytes = tensor.at("data_offsets").at(1).get<uint64_t>() - begin;
    if (shape.size() == 2 && name.find("position_embed") == std::string::npos) {
      if (tensor.at("dtype") != "BF16" || bytes != 2 * shape[0] * shape[1]) refuse(from, name + ": expected a matrix of bf16");
      write_random(out, shape[0] * shape[1], 1 / std::sqrt(static_cast<float>(shape[1])), chance);
    } else {
      if (bytes > fs::file_size(from)) refuse(from, name + ": larger than the file");
      std::string data(bytes, '\0');
      in.seekg(static_cast<std::streamoff>(sizeof length + length + begin));
      in.read(data.data(), static_cast<std::streamsize>(bytes));
      if (!in) refuse(from, name + ": ends early");
      out << data;
    }
  }
  if (!out.flush()) refuse(to, "cannot be written");
}

void write_checkpoint(const fs::path& from, const fs::path& to) {
  Chance chance(1);
  for (const auto& entry : fs::recursive_directory_iterator(from)) {
    const fs::path target = to / fs::relative(entry.path(), from);
    if (entry.is_directory()) {
      fs::create_directories(target);
    } else if (entry.path().extension() == ".safetensors") {
      fs::create_directories(target.parent_path());
      write_weights(entry.path(), target, chance);
    } else {
      fs::create_directories(target.parent_path());
      fs::copy_file(entry.path(), target);
    }
  }
  const fs::path config = to / "config.json";
  std::ifstream in(config);
  Json values = Json::parse(in);
  values.erase("vila4j_synthetic");  // its weights are there
  std::ofstream out(config, std::ios::trunc);
  if (!(out << values.dump(2)).flush()) refuse(config, "cannot be written");
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) {
    std::cerr << kUsage;
    return 2;
  }
  try {
    const std::string like = words[1];
    const fs::path into = words[2], fresh = into.string() + ".new";
    if (!fs::exists(into)) {
      fs::remove_all(fresh);
      fs::create_directories(fresh.parent_path().empty() ? "." : fresh.parent_path());
      if (fs::is_directory(like)) {
        write_checkpoint(like, fresh);
      } else {
        const fs::path holes = into.string() + ".holes";
        write_checkpoint(vila::synthetic_checkpoint(like, holes.string()), fresh);
        fs::remove_all(holes);
      }
      fs::rename(fresh, into);
    }
    std::cout << into.string() << '\n';
  } catch (const std::exception& error) {
    std::cerr << "vila_random_checkpoint: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
