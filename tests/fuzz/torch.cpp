// SPDX-License-Identifier: Apache-2.0
// Files of torch.save: archives, and the pickles in them. Whatever the bytes, every tensor that is accepted lies inside its file.
// An input that starts as an archive is one; any other is a pickle, which is put into an archive with two storages.
#include "checkpoint/torch_file.h"

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "fuzz/fuzz.h"
#include "support/torch_writer.h"

namespace {

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

/// Keeps the reads below from being optimised away.
volatile uint8_t sink = 0;

void read_archive(const std::string& input) {
  // A copy that ends with its allocation, so that a sanitizer sees a read behind it.
  const std::unique_ptr<uint8_t[]> bytes(new uint8_t[input.size()]);
  std::copy(input.begin(), input.end(), bytes.get());
  for (const TensorEntry& entry : read_torch_file(bytes.get(), input.size(), "input")) {
    if (entry.offset > input.size() || entry.bytes > input.size() - entry.offset) throw std::runtime_error("tensor out of bounds");
    for (uint64_t i = 0; i < entry.bytes; ++i) sink = static_cast<uint8_t>(sink + bytes[entry.offset + i]);
    uint64_t elements = 1;
    for (const int64_t dim : entry.shape) {
      if (dim < 0) throw std::runtime_error("negative dimension");
      elements *= static_cast<uint64_t>(dim);  // Wraps only where a dimension is 0.
    }
    if (entry.dtype && elements * size_of(*entry.dtype) != entry.bytes) throw std::runtime_error("shape and bytes disagree");
  }
}

void read_pickle(const std::string& pickle) {
  read_archive(zip_archive({{"a/data.pkl", pickle}, {"a/data/0", std::string(24, '\1')}, {"a/data/1", std::string(4, '\2')}}, 1));
}

/// What Python writes with a memo: names used twice are got from it, marks and long opcodes.
std::string memo_pickle() {
  PickleWriter p;
  p.global("collections", "OrderedDict").op(')').op('R').op('q', std::string(1, '\0')).op('(');
  p.text("model.norm.weight").op('q', "\1").global("torch._utils", "_rebuild_tensor_v2").op('q', "\2").op('(');
  p.op('(').text("storage").op('q', "\3").global("torch", "FloatStorage").text("0").text("cpu").integer(6).op('t').op('q', "\4");
  p.op('Q').integer(0).sizes({2, 3}).sizes({3, 1}).op('\x89').global("collections", "OrderedDict").op('q', "\5").op(')').op('R');
  p.op('t').op('R').text("half").op('h', "\2").op('(').op('(').op('h', "\3").global("torch", "HalfStorage").text("1").text("cpu");
  p.integer(2).op('t').op('Q').integer(1).integer(1).op('\x85').integer(1).op('\x85').op('\x89').op('h', "\5").op(')').op('R');
  p.op('t').op('R').op('u').op('}').text("_metadata").op('h', std::string(1, '\0')).op('s').op('b');
  return p.finish();
}

/// The forms of protocol 4.
std::string framed_pickle() {
  PickleWriter p(4);
  p.op('\x95', std::string(8, '\x7F')).op('}').op('\x94').op('\x8C', "\5state").op('\x94').op('}').op('(').op('\x8C', "\1w");
  p.op('\x8C', "\x0Ctorch._utils").op('\x8C', "\x12_rebuild_parameter").op('\x93').tensor("FloatStorage", "0", 6, 3, {3}, {1});
  return p.op('\x88').op('}').op('\x87').op('R').op('u').op('s').finish();
}

}  // namespace

int main() {
  const std::vector<FileTensor> several = {float_tensor("a.weight", DType::f32, {2, 3}, {1, 2, 3, 4, 5, 6}),
                                           float_tensor("b", DType::bf16, {2}, {1, 2}),
                                           float_tensor("scalar", DType::f16, {}, {3}),
                                           {"packed", "I16", {1, 2}, "abcd"},
                                           {"wide", "F64", {1}, std::string(8, '\0')},
                                           {"empty", "F32", {0, 7}, ""}};
  const std::vector<std::string> seeds = {
      torch_file({several[0]}),
      torch_file(several),
      torch_file(several, "state_dict"),
      zip_archive({{"a/data.pkl", memo_pickle()},
                   {"a/data/0", std::string(24, '\1')},
                   {"a/data/1", std::string(4, '\2')},
                   {"a/version", "3\n"}},
                  1),
      memo_pickle(),
      framed_pickle(),
      PickleWriter().op('}').text("x").tensor("ByteStorage", "1", 4, 1, {3}, {1}).op('s').finish()};
  const std::vector<std::string> tokens = {std::string("PK\x03\x04", 4),
                                           std::string("PK\x01\x02", 4),
                                           std::string("PK\x05\x06", 4),
                                           std::string("PK\x06\x06", 4),
                                           std::string("PK\x06\x07", 4),
                                           std::string("\1\0\x18\0", 4),
                                           "ctorch\nFloatStorage\n",
                                           "ctorch\nLongStorage\n",
                                           "ctorch._utils\n_rebuild_tensor_v2\n",
                                           "ctorch._utils\n_rebuild_parameter\n",
                                           "ccollections\nOrderedDict\n",
                                           "cposix\nsystem\n",
                                           "iposix\nsystem\n",
                                           ")R",
                                           "Q",
                                           "(",
                                           "t",
                                           "\x85",
                                           "\x87",
                                           "\x94",
                                           "u",
                                           "s",
                                           "e",
                                           "b",
                                           ".",
                                           std::string("h\0", 2),
                                           "h\1",
                                           "h\2",
                                           "h\3",
                                           std::string("q\0", 2),
                                           std::string("r\xFF\xFF\xFF\xFF", 5),
                                           std::string("\x8A\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 10),
                                           std::string("\x8A\x08\0\0\0\0\0\0\0\x80", 10),
                                           std::string("X\xFF\xFF\xFF\xFF", 5)};
  const auto read = [](const std::string& input) { input.starts_with("PK") ? read_archive(input) : read_pickle(input); };
  for (const std::string& seed : seeds) read(seed);  // All are valid: a refusal ends the program.
  return fuzz::run("torch", seeds, tokens, read);
}
