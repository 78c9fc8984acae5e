// SPDX-License-Identifier: Apache-2.0
// What a file of torch.save may not be: every opcode, payloads that would run code elsewhere, and the message for each way in which
// pickle, archive and tensors can be wrong.
#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <map>

#include "checkpoint/pickle.h"
#include "checkpoint/torch_file.h"
#include "checkpoint/zip_directory.h"
#include "support/npy.h"
#include "support/torch_writer.h"

using namespace vila;           // NOLINT
using namespace vila::testing;  // NOLINT

namespace {

const uint8_t* bytes_of(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }

/// Little-endian.
std::string number(uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

/// The error of a pickle.
std::string pickle_error(const std::string& pickle) {
  return error_of([&] { read_pickled_tensors(bytes_of(pickle), pickle.size(), "f"); });
}

/// The error of a whole file.
std::string file_error(const std::string& file) {
  return error_of([&] { read_torch_file(bytes_of(file), file.size(), "f"); });
}

std::string repeated(const std::string& text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

constexpr const char* kNotNeeded = ", which a checkpoint of tensors does not need";

/// Opcodes that are read, and what is said of a pickle that ends behind one.
const std::map<int, std::string> kRead = {
    {'(', "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {'.', "pickle opcode 0x2e at byte 2: stops with 0 values on the stack, expected 1"},
    {'N', "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {'J', "pickle of 3 bytes: needs 4 bytes at byte 3"},
    {'K', "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {'M', "pickle of 3 bytes: needs 2 bytes at byte 3"},
    {'G', "pickle of 3 bytes: needs 8 bytes at byte 3"},
    {'X', "pickle of 3 bytes: needs 4 bytes at byte 3"},
    {'Q', "pickle opcode 0x51 at byte 2: nothing on the stack"},
    {'R', "pickle opcode 0x52 at byte 2: nothing on the stack"},
    {'b', "pickle opcode 0x62 at byte 2: nothing on the stack"},
    {'c', "pickle opcode 0x63 at byte 2: a name without an end"},
    {'}', "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {']', "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {')', "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {'t', "pickle opcode 0x74 at byte 2: no mark on the stack"},
    {'a', "pickle opcode 0x61 at byte 2: nothing on the stack"},
    {'e', "pickle opcode 0x65 at byte 2: no mark on the stack"},
    {'s', "pickle opcode 0x73 at byte 2: nothing on the stack"},
    {'u', "pickle opcode 0x75 at byte 2: no mark on the stack"},
    {'h', "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {'j', "pickle of 3 bytes: needs 4 bytes at byte 3"},
    {'q', "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {'r', "pickle of 3 bytes: needs 4 bytes at byte 3"},
    {0x80, "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {0x85, "pickle opcode 0x85 at byte 2: a tuple of 1 with 0 values on the stack"},
    {0x86, "pickle opcode 0x86 at byte 2: a tuple of 2 with 0 values on the stack"},
    {0x87, "pickle opcode 0x87 at byte 2: a tuple of 3 with 0 values on the stack"},
    {0x88, "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {0x89, "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {0x8A, "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {0x8C, "pickle of 3 bytes: needs 1 bytes at byte 3"},
    {0x93, "pickle opcode 0x93 at byte 2: nothing on the stack"},
    {0x94, "pickle opcode 0x94 at byte 2: nothing on the stack"},
    {0x95, "pickle of 3 bytes: needs 8 bytes at byte 3"},
};

/// The other opcodes that Python knows.
const std::map<int, std::string> kNamed = {
    {'0', "POP (0x30)"},          {'1', "POP_MARK (0x31)"},       {'2', "DUP (0x32)"},
    {'B', "BINBYTES (0x42)"},     {'C', "SHORT_BINBYTES (0x43)"}, {'F', "FLOAT (0x46)"},
    {'I', "INT (0x49)"},          {'L', "LONG (0x4c)"},           {'P', "PERSID (0x50)"},
    {'S', "STRING (0x53)"},       {'T', "BINSTRING (0x54)"},      {'U', "SHORT_BINSTRING (0x55)"},
    {'V', "UNICODE (0x56)"},      {'d', "DICT (0x64)"},           {'g', "GET (0x67)"},
    {'i', "INST (0x69)"},         {'l', "LIST (0x6c)"},           {'o', "OBJ (0x6f)"},
    {'p', "PUT (0x70)"},          {0x81, "NEWOBJ (0x81)"},        {0x82, "EXT1 (0x82)"},
    {0x83, "EXT2 (0x83)"},        {0x84, "EXT4 (0x84)"},          {0x8B, "LONG4 (0x8b)"},
    {0x8D, "BINUNICODE8 (0x8d)"}, {0x8E, "BINBYTES8 (0x8e)"},     {0x8F, "EMPTY_SET (0x8f)"},
    {0x90, "ADDITEMS (0x90)"},    {0x91, "FROZENSET (0x91)"},     {0x92, "NEWOBJ_EX (0x92)"},
    {0x96, "BYTEARRAY8 (0x96)"},  {0x97, "NEXT_BUFFER (0x97)"},   {0x98, "READONLY_BUFFER (0x98)"},
};

}  // namespace

TEST_CASE("pickle: all 256 opcodes") {
  CHECK(kRead.size() + kNamed.size() == 68);  // As many as Python's pickletools lists.
  for (int opcode = 0; opcode < 256; ++opcode) {
    CAPTURE(opcode);
    const std::string error = pickle_error(PickleWriter().byte(opcode).finish().substr(0, 3));
    if (const auto it = kRead.find(opcode); it != kRead.end()) {
      CHECK(error == "4:f: " + it->second);
      continue;
    }
    char hexadecimal[8];
    std::snprintf(hexadecimal, sizeof hexadecimal, "0x%02x", static_cast<unsigned>(opcode));
    const auto named = kNamed.find(opcode);
    CHECK(error == "5:f: pickle opcode " + (named != kNamed.end() ? named->second : hexadecimal) + " at byte 2" + kNotNeeded);
  }
}

TEST_CASE("pickle: payloads run nothing and are refused by name") {
  const TempDir dir;
  const std::string marker = (dir / "marker").string(), command = "touch " + marker;
  const auto global = [&](const std::string& module, const std::string& name) {
    return PickleWriter().global(module, name).text(command).op('\x85').op('R').finish();
  };
  const auto stack_global = [&](const std::string& module, const std::string& name) {
    return PickleWriter(4).text(module).text(name).op('\x93').text(command).op('\x85').op('R').finish();
  };
  for (const auto& [module, name] : std::vector<std::pair<std::string, std::string>>{{"posix", "system"},
                                                                                     {"os", "system"},
                                                                                     {"nt", "system"},
                                                                                     {"subprocess", "Popen"},
                                                                                     {"builtins", "eval"},
                                                                                     {"builtins", "getattr"},
                                                                                     {"__builtin__", "exec"},
                                                                                     {"torch", "load"},
                                                                                     {"torch.storage", "_load_from_bytes"},
                                                                                     {"torch._utils", "_rebuild_qtensor"},
                                                                                     {"collections", "OrderedDict.fromkeys"},
                                                                                     {"collections", "defaultdict"},
                                                                                     {"torch", "FloatStorage.from_file"},
                                                                                     {"", ""}}) {
    const std::string refused = "5:f: global " + module + "." + name + kNotNeeded;
    CHECK(pickle_error(global(module, name)) == refused);
    CHECK(pickle_error(stack_global(module, name)) == refused);
    CHECK(file_error(zip_archive({{"a/data.pkl", global(module, name)}})) == refused);
  }
  const auto refused = [](const std::string& opcode, int at) {
    return "5:f: pickle opcode " + opcode + " at byte " + std::to_string(at) + kNotNeeded;
  };
  CHECK(pickle_error(PickleWriter().op('(').text(command).op('i', "posix\nsystem\n").finish()) ==
        refused("INST (0x69)", 8 + static_cast<int>(command.size())));
  CHECK(pickle_error(PickleWriter().op('(').global("posix", "system").text(command).op('o').finish()) ==
        std::string("5:f: global posix.system") + kNotNeeded);
  CHECK(pickle_error(PickleWriter().op('(').global("collections", "OrderedDict").op('o').finish()) == refused("OBJ (0x6f)", 28));
  CHECK(pickle_error(PickleWriter().global("collections", "OrderedDict").op(')').op('\x81').finish()) ==
        refused("NEWOBJ (0x81)", 28));
  CHECK(pickle_error(PickleWriter(4).global("collections", "OrderedDict").op(')').op('}').op('\x92').finish()) ==
        refused("NEWOBJ_EX (0x92)", 29));
  CHECK(pickle_error(PickleWriter().op('\x82', "\x01").op(')').op('R').finish()) == refused("EXT1 (0x82)", 2));
  CHECK(pickle_error(PickleWriter().op('\x83', std::string("\x01\0", 2)).op(')').op('R').finish()) == refused("EXT2 (0x83)", 2));
  CHECK(pickle_error(PickleWriter().op('\x84', std::string("\x01\0\0\0", 4)).op(')').op('R').finish()) ==
        refused("EXT4 (0x84)", 2));
  // A state to be set, behind which __setstate__ would stand, and a storage by another name.
  CHECK(pickle_error(PickleWriter().op('}').global("posix", "system").op('b').finish()) ==
        std::string("5:f: global posix.system") + kNotNeeded);
  CHECK(pickle_error(PickleWriter().text(command).op('Q').finish()) ==
        "4:f: pickle opcode 0x51 at byte " + std::to_string(7 + command.size()) + ": a persistent id that is no storage");
  CHECK(!std::filesystem::exists(marker));
}

TEST_CASE("pickle: globals and their arguments") {
  const auto error = [](PickleWriter& writer) { return pickle_error(writer.finish()); };
  CHECK(error(PickleWriter().op('c', "torch\nFloatStorage")) == "4:f: pickle opcode 0x63 at byte 2: a name without an end");
  CHECK(error(PickleWriter().integer(1).text("system").op('\x93')) ==
        "4:f: pickle opcode 0x93 at byte 15: a global that is not named by texts");
  CHECK(error(PickleWriter().global("a\x01\xFF"
                                    "b",
                                    "c")) == std::string("5:f: global a?\xEF\xBF\xBD"
                                                         "b.c") +
                                                 kNotNeeded);
  CHECK(error(PickleWriter().global("torch", "FloatStorage").op(')').op('R')) ==
        "4:f: pickle opcode 0x52 at byte 23: calls a global, expected OrderedDict, _rebuild_tensor_v2 or _rebuild_parameter");
  CHECK(error(PickleWriter().text("x").op(')').op('R')) ==
        "4:f: pickle opcode 0x52 at byte 9: calls a text, expected OrderedDict, _rebuild_tensor_v2 or _rebuild_parameter");
  CHECK(error(PickleWriter().global("collections", "OrderedDict").op('}').op('R')) ==
        "4:f: pickle opcode 0x52 at byte 28: arguments are a dict, expected a tuple");
  CHECK(error(PickleWriter().global("collections", "OrderedDict").op('}').op('\x85').op('R')) ==
        "4:f: pickle opcode 0x52 at byte 29: OrderedDict with arguments, expected none");
  CHECK(error(PickleWriter().global("torch._utils", "_rebuild_parameter").op('}').op('\x85').op('R')) ==
        "4:f: pickle opcode 0x52 at byte 37: _rebuild_parameter without a tensor");
  CHECK(error(PickleWriter().global("torch._utils", "_rebuild_parameter").op(')').op('R')) ==
        "4:f: pickle opcode 0x52 at byte 36: _rebuild_parameter without a tensor");
  CHECK(error(PickleWriter().op('}').op('}').op(']').op('}').op('b').op('s')) ==
        "4:f: pickle opcode 0x62 at byte 6: on a list, expected a dict");
}

TEST_CASE("pickle: persistent ids and tensors that are none") {
  const auto id_error = [](const std::function<void(PickleWriter&)>& fill) {
    PickleWriter writer;
    writer.op('(');
    fill(writer);
    return pickle_error(writer.op('t').op('Q').finish());
  };
  const auto is_refused = [&](const std::function<void(PickleWriter&)>& fill) {
    const std::string error = id_error(fill);
    CAPTURE(error);
    CHECK(error.starts_with("4:f: pickle opcode 0x51 at byte "));
    CHECK(error.ends_with(": a persistent id that is no storage"));
  };
  is_refused([](PickleWriter&) {});
  is_refused([](PickleWriter& w) { w.text("storage").global("torch", "FloatStorage").text("0").text("cpu"); });
  is_refused([](PickleWriter& w) { w.text("storage").global("torch", "FloatStorage").text("0").text("cpu").integer(1).op('N'); });
  is_refused([](PickleWriter& w) { w.text("stored").global("torch", "FloatStorage").text("0").text("cpu").integer(1); });
  is_refused([](PickleWriter& w) { w.text("storage").text("FloatStorage").text("0").text("cpu").integer(1); });
  is_refused([](PickleWriter& w) { w.text("storage").global("torch", "FloatStorage").integer(0).text("cpu").integer(1); });
  is_refused([](PickleWriter& w) { w.text("storage").global("torch", "FloatStorage").text("0").text("cpu").integer(-1); });
  is_refused([](PickleWriter& w) { w.text("storage").global("torch", "FloatStorage").text("0").text("cpu").text("1"); });
  is_refused([](PickleWriter& w) {
    w.text("storage").global("torch", "FloatStorage").text(std::string(256, 'k')).text("cpu").integer(1);
  });

  const auto tensor_error = [](const std::function<void(PickleWriter&)>& fill) {
    PickleWriter writer;
    writer.global("torch._utils", "_rebuild_tensor_v2").op('(');
    fill(writer);
    const std::string error = pickle_error(writer.op('t').op('R').finish());
    const size_t at = error.find("at byte ");
    return at == std::string::npos ? error : error.substr(error.find(": ", at) + 2);
  };
  const std::string other = "_rebuild_tensor_v2 of something else than storage, offset, shape and strides";
  const auto storage = [](PickleWriter& w) -> PickleWriter& { return w.storage("FloatStorage", "0", 6); };
  CHECK(tensor_error([](PickleWriter&) {}) == other);
  CHECK(tensor_error([&](PickleWriter& w) { storage(w).integer(0).sizes({6}).sizes({1}).op('N'); }) == other);
  CHECK(tensor_error([&](PickleWriter& w) { storage(w).integer(0).sizes({6}).sizes({1}).op('N').op('N').op('N').op('N'); }) ==
        other);
  CHECK(tensor_error([&](PickleWriter& w) { w.text("s").integer(0).sizes({6}).sizes({1}).op('N').op('N'); }) == other);
  CHECK(tensor_error([&](PickleWriter& w) { storage(w).text("0").sizes({6}).sizes({1}).op('N').op('N'); }) == other);
  CHECK(tensor_error([&](PickleWriter& w) { storage(w).integer(-1).sizes({6}).sizes({1}).op('N').op('N'); }) == other);
  CHECK(tensor_error([&](PickleWriter& w) { storage(w).integer(0).sizes({-6}).sizes({1}).op('N').op('N'); }) == other);
  CHECK(tensor_error([&](PickleWriter& w) { storage(w).integer(0).sizes({6}).sizes({-1}).op('N').op('N'); }) == other);
  CHECK(tensor_error([&](PickleWriter& w) { storage(w).integer(0).sizes({6}).sizes({1, 1}).op('N').op('N'); }) == other);
  CHECK(tensor_error([&](PickleWriter& w) { storage(w).integer(0).integer(6).sizes({1}).op('N').op('N'); }) == other);
  CHECK(tensor_error([&](PickleWriter& w) { storage(w).integer(0).op(']').sizes({1}).op('N').op('N'); }) == other);
  // Nine bytes are no size either.
  CHECK(tensor_error([&](PickleWriter& w) {
          storage(w).integer(0).op('\x8A', "\x09" + std::string(9, '\x01')).op('\x85').sizes({1}).op('N').op('N');
        }) == other);
  CHECK(tensor_error([&](PickleWriter& w) {
          storage(w).integer(0).sizes({1, 1, 1, 1, 1, 1, 1, 1, 6}).sizes({1}).op('N').op('N');
        }) == "a shape or strides of 9 numbers, at most 8 are accepted");
}

TEST_CASE("pickle: stack, marks and memo") {
  const auto error = [](PickleWriter& writer) { return pickle_error(writer.finish()); };
  CHECK(pickle_error("") == "4:f: pickle of 0 bytes: needs 1 bytes at byte 0");
  CHECK(pickle_error(PickleWriter(1).finish()) == "5:f: pickle protocol 1, supported are 2 to 5");
  CHECK(pickle_error(PickleWriter(6).finish()) == "5:f: pickle protocol 6, supported are 2 to 5");
  CHECK(error(PickleWriter().op('}').op('}')) == "4:f: pickle opcode 0x2e at byte 4: stops with 2 values on the stack, expected 1");
  CHECK(error(PickleWriter().op('(').op('}')) == "4:f: pickle opcode 0x2e at byte 4: stops with 1 values on the stack, expected 1");
  CHECK(pickle_error(PickleWriter().op('}').finish() + "N.") == "4:f: 2 bytes behind the end of the pickle");
  CHECK(pickle_error(PickleWriter().op('}').finish().substr(0, 3)) == "4:f: pickle of 3 bytes: needs 1 bytes at byte 3");
  // Nothing below a mark is in reach.
  CHECK(error(PickleWriter().op('N').op('(').op('\x85')) ==
        "4:f: pickle opcode 0x85 at byte 4: a tuple of 1 with 0 values on the stack");
  CHECK(error(PickleWriter().op('N').op('(').op('q', std::string(1, '\0'))) ==
        "4:f: pickle opcode 0x71 at byte 4: nothing on the stack");
  CHECK(error(PickleWriter().op('N').op('(').op('\x94')) == "4:f: pickle opcode 0x94 at byte 4: nothing on the stack");
  CHECK(error(PickleWriter().op('}').op('N').op('s')) == "4:f: pickle opcode 0x73 at byte 4: nothing on the stack");
  CHECK(error(PickleWriter().op('}').op('(').op('N').op('u')) == "4:f: pickle opcode 0x75 at byte 5: a key without a value");
  CHECK(error(PickleWriter().op(']').op('N').op('N').op('s')) == "4:f: pickle opcode 0x73 at byte 5: on a list, expected a dict");
  CHECK(error(PickleWriter().op('}').op('N').op('a')) == "4:f: pickle opcode 0x61 at byte 4: on a dict, expected a list");
  CHECK(error(PickleWriter().integer(3).op('(').op('e')) == "4:f: pickle opcode 0x65 at byte 5: on an integer, expected a list");

  CHECK(error(PickleWriter().op('h', "\x05")) == "4:f: pickle opcode 0x68 at byte 2: memo 5 was never set");
  CHECK(error(PickleWriter().op('N').op('q', "\x07").op('h', "\x05")) == "4:f: pickle opcode 0x68 at byte 5: memo 5 was never set");
  CHECK(error(PickleWriter().op('j', "\xFF\xFF\xFF\xFF")) == "4:f: pickle opcode 0x6a at byte 2: memo 4294967295 was never set");
  CHECK(error(PickleWriter().op('N').op('r', "\xFF\xFF\xFF\xFF")) ==
        "4:f: pickle opcode 0x72 at byte 3: memo 4294967295, expected less than 1048576");
  CHECK(error(PickleWriter().op('N').op('r', number(1 << 20, 4))) ==
        "4:f: pickle opcode 0x72 at byte 3: memo 1048576, expected less than 1048576");
  // MEMOIZE takes the number of keys that are set: 1, although 9 is one of them.
  CHECK(error(PickleWriter().op('N').op('q', "\x09").op('q', "\x09").text("x").op('\x94').op('h', "\x01").op('\x87')) ==
        "4:f: holds a tuple, expected a dict of tensors");
}

TEST_CASE("pickle: counts and nesting are bounded") {
  CHECK(pickle_error(PickleWriter().op('X', "\xFF\xFF\xFF\xFF").finish()) ==
        "4:f: pickle of 8 bytes: needs 4294967295 bytes at byte 7");
  CHECK(pickle_error(PickleWriter().op('\x8C', "\xFF").finish()) == "4:f: pickle of 5 bytes: needs 255 bytes at byte 4");
  CHECK(pickle_error(PickleWriter().op('\x8A', "\xFF").finish()) == "4:f: pickle of 5 bytes: needs 255 bytes at byte 4");
  CHECK(pickle_error(PickleWriter().op('}').finish() + std::string(32 << 20, '\0')) ==
        "4:f: pickle of 33554436 bytes, at most 33554432 are accepted");
  const std::string start = PickleWriter().finish().substr(0, 2);
  CHECK(pickle_error(start + std::string(64, '(') + "}.") ==
        "4:f: pickle opcode 0x2e at byte 67: stops with 1 values on the stack, expected 1");
  CHECK(pickle_error(start + std::string(65, '(') + "}.") == "4:f: pickle opcode 0x28 at byte 66: marks nested deeper than 64");
  CHECK(pickle_error(start + std::string(2 << 20, '}') + ".") ==
        "4:f: pickle opcode 0x7d at byte 1048577: more than 1048576 values");
  CHECK(pickle_error(start + "N" + std::string(2 << 20, '\x85') + ".") ==
        "4:f: pickle opcode 0x85 at byte 1048578: more than 1048576 values");
  CHECK(pickle_error(start + "N" + std::string(1000000, '\x85') + ".") == "4:f: holds a tuple, expected a dict of tensors");
  CHECK(pickle_error(start + std::string("]q\0h\0a.", 7)) == "4:f: holds a list, expected a dict of tensors");
  CHECK(pickle_error(start + std::string("}q\0h\0h\0s.", 9)) == "4:f: holds no tensors");
  // A million references to a dict of a million values: each is looked at once.
  const size_t many = 1 << 20;
  const std::string none = std::string("Nq\1", 3), get_none = std::string("h\1", 2), get_inner = std::string("h\2", 2);
  const std::string inner = "}(" + repeated(get_none + get_none, many) + std::string("uq\2", 3);
  CHECK(pickle_error(start + "}(" + none + inner + repeated(get_none + get_inner, many) + "u.") == "4:f: holds no tensors");
  // A shape of a million numbers.
  PickleWriter wide;
  wide.global("torch._utils", "_rebuild_tensor_v2").op('(').storage("FloatStorage", "0", 6).integer(0);
  CHECK(pickle_error(wide.sizes(std::vector<int64_t>(500000, 1)).sizes({1}).op('N').op('N').op('t').op('R').finish())
            .ends_with(": a shape or strides of 500000 numbers, at most 8 are accepted"));
}

TEST_CASE("pickle: which dict holds the tensors, and under which names") {
  const auto tensor = [](PickleWriter& w) -> PickleWriter& { return w.tensor("FloatStorage", "0", 2, 0, {2}, {1}); };
  const auto named = [&](const std::string& name) {
    PickleWriter w;
    return pickle_error(tensor(w.op('}').text(name)).op('s').finish());
  };
  CHECK(named("x") == "no error");
  CHECK(named(std::string(1024, 'x')) == "no error");
  CHECK(named(std::string(1025, 'x')) == "4:f: a tensor name of 1025 bytes, at most 1024 are accepted");
  CHECK(named("a\nb") == "4:f: the tensor name a?b is not UTF-8 or holds a control character");
  CHECK(named("a\x7F") == "4:f: the tensor name a? is not UTF-8 or holds a control character");
  CHECK(named("a\xC3") == "4:f: the tensor name a\xEF\xBF\xBD is not UTF-8 or holds a control character");
  PickleWriter by_number, twice, alone, plain, both, beside, empty;
  CHECK(pickle_error(tensor(by_number.op('}').integer(7)).op('s').finish()) ==
        "4:f: the name of a tensor is an integer, expected a text");
  tensor(twice.op('}').text("x")).op('s');
  CHECK(pickle_error(tensor(twice.text("x")).op('s').finish()) == "4:f: tensor x is listed twice");
  CHECK(pickle_error(tensor(alone).finish()) == "4:f: holds a tensor, expected a dict of tensors");
  CHECK(pickle_error(plain.integer(7).finish()) == "4:f: holds an integer, expected a dict of tensors");
  CHECK(pickle_error(empty.op('}').finish()) == "4:f: holds no tensors");
  tensor(both.op('}').text("model").op('}').text("x")).op('s').op('s');
  CHECK(pickle_error(tensor(both.text("ema\n").op('}').text("x")).op('s').op('s').finish()) ==
        "5:f: holds several dicts of tensors (model, ema?), expected one");
  tensor(beside.op('}').text("x")).op('s');
  CHECK(pickle_error(tensor(beside.integer(3).op('}').text("y")).op('s').op('s').finish()) ==
        "5:f: holds several dicts of tensors (at the top, an integer), expected one");
}

namespace {

constexpr size_t kLocal = 0;  ///< of the first member's local header
const std::string kEntry = std::string("PK\x01\x02", 4), kEnd = std::string("PK\x05\x06", 4), kZip64 = std::string("PK\x06\x06", 4),
                  kLocator = std::string("PK\x06\x07", 4);

std::string valid_pickle() { return PickleWriter().op('}').text("x").tensor("FloatStorage", "0", 2, 0, {2}, {1}).op('s').finish(); }

/// A small valid file whose numbers can be set.
struct Archive {
  std::string file = zip_archive({{"a/data.pkl", valid_pickle()}, {"a/data/0", std::string(8, '\1')}}, 1);
  size_t entry = file.find(kEntry), second_entry = file.find(kEntry, entry + 4), zip64 = file.find(kZip64),
         locator = file.find(kLocator), end = file.rfind(kEnd), second_local = file.find("PK\x03\x04", 4);

  Archive& set(size_t at, uint64_t value, int width) {
    file.replace(at, static_cast<size_t>(width), number(value, width));
    return *this;
  }
  Archive& put(size_t at, const std::string& text) {
    file.replace(at, text.size(), text);
    return *this;
  }
  /// Inserts behind the names of the second directory entry, and moves what follows.
  Archive& extra(const std::string& bytes) {
    file.insert(second_entry + 46 + 8, bytes);
    for (size_t* at : {&zip64, &locator, &end}) *at += bytes.size();
    const uint64_t directory = zip64 - entry;
    set(second_entry + 30, bytes.size(), 2).set(zip64 + 40, directory, 8).set(locator + 8, zip64, 8).set(end + 12, directory, 4);
    return *this;
  }
  std::string error() const { return file_error(file); }
};

}  // namespace

TEST_CASE("zip: what is not an archive of stored members") {
  CHECK(Archive().error() == "no error");
  const Archive valid;
  const auto at = [](size_t place) { return std::to_string(place); };
  const std::string first = "f: zip member a/data.pkl: ", second = "f: zip member a/data/0: ", zip = "f: zip archive: ";
  const std::string cut = "4:" + zip + "no end record, the file is cut off or has bytes behind the archive";
  for (const size_t size : {size_t{0}, size_t{4}, size_t{21}, valid.end, valid.file.size() - 1}) {
    CHECK(file_error(valid.file.substr(0, size)) == cut);
  }
  CHECK(file_error(valid.file + "x") == cut);
  CHECK(file_error(valid.file.substr(0, valid.end + 20) + std::string("\5\0hello", 7)) == "no error");  // A comment.
  CHECK(file_error(valid.file.substr(0, valid.end + 20) + std::string("\5\0hell", 6)) == cut);

  const std::string volumes = "5:f: zip archive of several volumes";
  CHECK(Archive().set(valid.end + 4, 1, 2).error() == volumes);
  CHECK(Archive().set(valid.end + 6, 1, 2).error() == volumes);
  CHECK(Archive().set(valid.end + 8, 1, 2).error() == volumes);
  CHECK(Archive().set(valid.locator + 4, 1, 4).error() == volumes);
  CHECK(Archive().set(valid.locator + 16, 2, 4).error() == volumes);

  // The zip64 records.
  for (const uint64_t place : {uint64_t{0}, valid.zip64 + 1, valid.file.size(), ~uint64_t{0}, ~uint64_t{0} - 55}) {
    CHECK(Archive().set(valid.locator + 8, place, 8).error() ==
          "4:" + zip + "no zip64 end record at byte " + std::to_string(place));
  }
  const auto wide = [&] {
    return Archive()
        .set(valid.end + 8, 0xFFFF, 2)
        .set(valid.end + 10, 0xFFFF, 2)
        .set(valid.end + 12, 0xFFFFFFFF, 4)
        .set(valid.end + 16, 0xFFFFFFFF, 4);
  };
  CHECK(wide().error() == "no error");
  CHECK(wide().set(valid.zip64 + 24, 1ULL << 60, 8).set(valid.zip64 + 32, 1ULL << 60, 8).error() ==
        "4:" + zip + "1152921504606846976 members in a directory of " + at(valid.zip64 - valid.entry) + " bytes");
  CHECK(wide().set(valid.zip64 + 24, 1, 8).error() == volumes);
  CHECK(wide().set(valid.zip64 + 40, ~uint64_t{0}, 8).error() == "4:" + zip + "directory of 18446744073709551615 bytes at byte " +
                                                                     at(valid.entry) + ", expected to end at byte " +
                                                                     at(valid.zip64));
  CHECK(wide().set(valid.zip64 + 48, ~uint64_t{0} - 5, 8).error() ==
        "4:" + zip + "directory of " + at(valid.zip64 - valid.entry) +
            " bytes at byte 18446744073709551610, expected to end at byte " + at(valid.zip64));

  // The directory.
  CHECK(Archive().set(valid.end + 16, 0, 4).error() == "4:" + zip + "directory of " + at(valid.zip64 - valid.entry) +
                                                           " bytes at byte 0, expected to end at byte " + at(valid.zip64));
  CHECK(Archive().set(valid.end + 8, 3, 2).set(valid.end + 10, 3, 2).error() ==
        "4:" + zip + "3 members in a directory of " + at(valid.zip64 - valid.entry) + " bytes");
  CHECK(Archive().set(valid.end + 8, 1, 2).set(valid.end + 10, 1, 2).error() ==
        "4:" + zip + at(valid.zip64 - valid.second_entry) + " bytes behind the last directory entry");
  CHECK(Archive().put(valid.entry, "XX").error() == "4:" + zip + "no directory entry at byte " + at(valid.entry));
  CHECK(Archive().put(valid.second_entry, "XX").error() == "4:" + zip + "no directory entry at byte " + at(valid.second_entry));
  for (const size_t field : {28, 30, 32}) {
    CHECK(Archive().set(valid.second_entry + field, 0xFFFF, 2).error() ==
          "4:" + zip + "the directory entry at byte " + at(valid.second_entry) + " reaches beyond the directory");
  }
  const std::string bad_name = "4:" + zip + "the name in the directory entry at byte " + at(valid.second_entry) +
                               " is empty, longer than 512 bytes, not UTF-8 or holds a control character";
  CHECK(Archive().put(valid.second_entry + 46, "\n").error() == bad_name);
  CHECK(Archive().put(valid.second_entry + 46, "\xFF").error() == bad_name);
  CHECK(Archive().set(valid.second_entry + 28, 0, 2).set(valid.second_entry + 30, 8, 2).error() == bad_name);
  const std::string long_name = "a/" + std::string(511, 'x');
  CHECK(file_error(zip_archive({{long_name, ""}}, 1)) ==
        "4:" + zip +
            "the name in the directory entry at byte 563 is empty, longer than 512 bytes, not UTF-8 or holds a control "
            "character");

  // The members.
  for (const uint64_t flag : {1, 1 << 6, 1 << 13}) {
    CHECK(Archive().set(valid.entry + 8, 0x0808 | flag, 2).error() == "5:" + first + "is encrypted");
  }
  for (const int method : {8, 12, 93}) {
    CHECK(Archive().set(valid.second_entry + 10, static_cast<uint64_t>(method), 2).error() ==
          "5:" + second + "is compressed (method " + std::to_string(method) + "), expected stored members as PyTorch writes them");
  }
  CHECK(Archive().set(valid.second_entry + 20, 7, 4).error() == "4:" + second + "7 stored bytes, expected its size, 8");
  CHECK(Archive().set(valid.second_entry + 24, 9, 4).error() == "4:" + second + "8 stored bytes, expected its size, 9");
  const size_t contents = valid.second_local + 30 + 8 + 4;
  CHECK(Archive().set(valid.second_entry + 20, 999, 4).set(valid.second_entry + 24, 999, 4).error() ==
        "4:" + second + "999 bytes at byte " + at(contents) + ", but the directory starts at byte " + at(valid.entry));
  CHECK(Archive().set(valid.second_entry + 42, 1, 4).error() == "4:" + second + "no local header at byte 1");
  for (const uint64_t place : {valid.entry - 29, valid.entry, valid.file.size(), size_t{0xFFFFFFFE}}) {
    CHECK(Archive().set(valid.second_entry + 42, place, 4).error() == "4:" + second + "no local header at byte " + at(place));
  }
  const std::string contradicts =
      "4:" + second + "the local header at byte " + at(valid.second_local) + " contradicts the directory";
  CHECK(Archive().put(valid.second_local + 30, "b").error() == contradicts);
  CHECK(Archive().set(valid.second_local + 26, 7, 2).error() == contradicts);
  CHECK(Archive().set(valid.second_local + 8, 8, 2).error() == contradicts);
  CHECK(Archive().set(valid.second_local + 6, 0x0809, 2).error() == contradicts);
  CHECK(Archive().set(valid.second_local + 18, 7, 4).error() == contradicts);
  CHECK(Archive().set(valid.second_local + 22, 9, 4).error() == contradicts);
  CHECK(Archive().set(valid.second_local + 6, 0x0800, 2).error() == contradicts);  // Sizes of 0 that nothing behind them corrects.
  CHECK(Archive()
            .set(valid.second_local + 6, 0x0800, 2)
            .set(valid.second_local + 18, 8, 4)
            .set(valid.second_local + 22, 8, 4)
            .error() == "no error");
  CHECK(Archive().set(valid.second_local + 28, 0xFFFF, 2).error() ==
        "4:" + second + "8 bytes at byte " + at(contents - 4 + 0xFFFF) + ", but the directory starts at byte " + at(valid.entry));
  // The first local header twice: the names disagree. The same name twice: listed twice.
  CHECK(Archive().set(valid.second_entry + 42, kLocal, 4).error() ==
        "4:" + second + "the local header at byte 0 contradicts the directory");
  CHECK(file_error(zip_archive({{"a/data.pkl", valid_pickle()}, {"a/data/0", "12345678"}, {"a/data/0", "12345678"}})) ==
        "4:" + second + "is listed twice");
  // A member inside another.
  const size_t size = valid.entry - 44;
  CHECK(Archive().set(valid.entry + 20, size, 4).set(valid.entry + 24, size, 4).error() == "4:" + second + "overlaps a/data.pkl");

  // The zip64 field of a member.
  const auto with_field = [&](const std::string& field) {
    return Archive().extra(field).set(valid.second_entry + 20, 0xFFFFFFFF, 4).set(valid.second_entry + 24, 0xFFFFFFFF, 4);
  };
  const std::string eight = number(8, 8), field = std::string("\1\0\x10\0", 4);
  CHECK(with_field(field + eight + eight).error() == "no error");
  CHECK(with_field("FB" + number(2, 2) + "zz" + field + eight + eight).error() == "no error");
  CHECK(with_field(field + eight + number(9, 8)).error() == "4:" + second + "9 stored bytes, expected its size, 8");
  CHECK(with_field(field + number(~uint64_t{0}, 8) + number(~uint64_t{0}, 8)).error() ==
        "4:" + second + "18446744073709551615 bytes at byte " + at(contents) + ", but the directory starts at byte " +
            at(valid.entry));
  CHECK(with_field(std::string("\1\0\x08\0", 4) + eight).error() ==
        "4:" + second + "zip64 field of 8 bytes, too short for what the header leaves to it");
  CHECK(with_field("").error() == "4:" + second + "no zip64 field, but its header refers to one");
  CHECK(with_field(std::string("\1\0\xFF\0", 4) + eight + eight).error() ==
        "4:" + second + "no zip64 field, but its header refers to one");
  CHECK(with_field(std::string("\1\0\x18\0", 4) + eight + eight + number(~uint64_t{0}, 8))
            .set(valid.second_entry + 42, 0xFFFFFFFF, 4)
            .error() == "4:" + second + "no local header at byte 18446744073709551615");
}

TEST_CASE("zip: a directory too large is not read") {
  std::string directory(33 << 20, '\0');
  std::string file = std::string("PK\x03\x04", 4) + directory;
  file += kEnd + std::string(4, '\0') + number(1, 2) + number(1, 2) + number(directory.size(), 4) + number(4, 4) + number(0, 2);
  CHECK(file_error(file) == "4:f: zip archive: directory of 34603008 bytes, at most 33554432 are accepted");
}

TEST_CASE("torch: every cut and every changed byte of a small file is refused or read in bounds") {
  const std::string file = Archive().file;
  for (size_t size = 0; size < file.size(); ++size) CHECK(file_error(file.substr(0, size)) != "no error");
  for (size_t at = 0; at < file.size(); ++at) {
    for (const int value : {0, 1, 0x7F, 0x80, 0xFF}) {
      std::string changed = file;
      changed[at] = static_cast<char>(value);
      try {
        for (const TensorEntry& entry : read_torch_file(bytes_of(changed), changed.size(), "f")) {
          REQUIRE(entry.offset <= changed.size());
          REQUIRE(entry.bytes <= changed.size() - entry.offset);
        }
      } catch (const Error&) {
      }
    }
  }
}

TEST_CASE("torch: the archive's members") {
  using Members = std::vector<std::pair<std::string, std::string>>;
  const auto error = [](const Members& members) { return file_error(zip_archive(members)); };
  const std::string pickle = valid_pickle(), storage(8, '\1');
  CHECK(error({{"a/data.pkl", pickle}, {"a/data/0", storage}}) == "no error");
  CHECK(error({{"a/data.pkl", pickle}, {"a/data/0", storage}, {"a/byteorder", "little"}}) == "no error");
  CHECK(error({{"a/data.pkl", pickle}, {"a/data/0", storage}, {"a/byteorder", "big"}}) ==
        "5:f: byte order is \"big\", supported is \"little\"");
  CHECK(error({{"a/data.pkl", pickle}, {"a/data/0", storage}, {"a/byteorder", std::string(100, '\n')}}) ==
        "5:f: byte order is \"" + std::string(64, '?') + "\", supported is \"little\"");
  const std::string none = "4:f: a zip archive without data.pkl, so no file of torch.save";
  CHECK(error({}) == none);
  CHECK(error({{"data.pkl", pickle}, {"data/0", storage}}) == none);
  CHECK(error({{"a/b/data.pkl", pickle}, {"a/b/data/0", storage}}) == none);
  CHECK(error({{"a/model.pkl", pickle}, {"a/data/0", storage}}) == none);
  CHECK(error({{"a/data.pkl", pickle}, {"b/data.pkl", pickle}, {"a/data/0", storage}}) ==
        "4:f: holds a/data.pkl and b/data.pkl, expected one data.pkl");
  CHECK(error({{"a/data.pkl", pickle}, {"a/data/1", storage}}) == "4:f: tensor x: its storage a/data/0 is not in the archive");
  CHECK(error({{"a/data.pkl", pickle}, {"b/data/0", storage}}) == "4:f: tensor x: its storage a/data/0 is not in the archive");
}

TEST_CASE("torch: tensors against their storages") {
  struct Tensor {
    std::string type = "FloatStorage", key = "0";
    int64_t elements = 6, first = 0;
    std::vector<int64_t> shape = {2, 3}, strides = {3, 1};
    size_t bytes = 24;
  };
  const auto error = [](const Tensor& t) {
    const std::string pickle =
        PickleWriter().op('}').text("x").tensor(t.type, t.key, t.elements, t.first, t.shape, t.strides).op('s').finish();
    return file_error(zip_archive({{"a/data.pkl", pickle}, {"a/data/0", std::string(t.bytes, '\1')}}));
  };
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const std::string x = "4:f: tensor x: ", held = x + "its storage a/data/0 has ";
  CHECK(error({}) == "no error");
  CHECK(error({.bytes = 23}) == held + "23 bytes, expected 6 elements of F32");
  CHECK(error({.bytes = 0}) == held + "0 bytes, expected 6 elements of F32");
  CHECK(error({.bytes = 28}) == held + "28 bytes, expected 6 elements of F32");
  CHECK(error({.type = "HalfStorage"}) == held + "24 bytes, expected 6 elements of F16");
  CHECK(error({.type = "DoubleStorage"}) == held + "24 bytes, expected 6 elements of F64");
  CHECK(error({.type = "LongStorage", .elements = kMost}) == held + "24 bytes, expected 9223372036854775807 elements of I64");
  CHECK(error({.type = "LongStorage", .elements = (1LL << 61) + 3}) ==
        held + "24 bytes, expected 2305843009213693955 elements of I64");
  CHECK(error({.type = "QUInt8Storage"}) == std::string("5:f: global torch.QUInt8Storage") + kNotNeeded);
  CHECK(error({.type = "ComplexFloatStorage"}) == std::string("5:f: global torch.ComplexFloatStorage") + kNotNeeded);
  CHECK(error({.key = "../data.pkl"}) == x + "its storage a/data/../data.pkl is not in the archive");
  CHECK(error({.key = "a\nb"}) == x + "its storage a/data/a?b is not in the archive");
  CHECK(error({.key = ""}) == x + "its storage a/data/ is not in the archive");
  CHECK(error({.first = 1}) == x + "6 elements from element 1 of a storage of 6");
  CHECK(error({.first = 7, .shape = {0}, .strides = {1}}) == x + "0 elements from element 7 of a storage of 6");
  CHECK(error({.first = kMost}) == x + "6 elements from element 9223372036854775807 of a storage of 6");
  CHECK(error({.shape = {3, 3}}) == x + "9 elements from element 0 of a storage of 6");
  CHECK(error({.shape = {1LL << 32, 1LL << 32}, .strides = {1LL << 32, 1}}) ==
        "4:f: tensor x: shape [4294967296,4294967296] overflows");
  CHECK(error({.shape = {kMost, 2}, .strides = {2, 1}}) == "4:f: tensor x: shape [9223372036854775807,2] overflows");
  CHECK(error({.shape = {kMost, 1}, .strides = {1, 1}}) == x + "9223372036854775807 elements from element 0 of a storage of 6");
  const std::string order = ", supported are those of C order (save a contiguous() copy)";
  CHECK(error({.strides = {1, 2}}) == "5:f: tensor x has strides [1,2] for shape [2,3]" + order);
  CHECK(error({.strides = {0, 0}}) == "5:f: tensor x has strides [0,0] for shape [2,3]" + order);
  CHECK(error({.strides = {3, 2}}) == "5:f: tensor x has strides [3,2] for shape [2,3]" + order);
  CHECK(error({.strides = {kMost, 1}}) == "5:f: tensor x has strides [9223372036854775807,1] for shape [2,3]" + order);
  CHECK(error({.shape = {1, 6}, .strides = {kMost, 1}}) == "no error");  // A dimension of 1 is not stepped along.
  CHECK(error({.shape = {0, kMost}, .strides = {kMost, 1}}) == "no error");
  CHECK(error({.first = 2, .shape = {2, 2}, .strides = {2, 1}}) == "no error");  // A view of a larger storage.
}
