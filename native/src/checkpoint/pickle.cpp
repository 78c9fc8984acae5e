// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/pickle.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <set>
#include <string_view>

#include "common/error.h"
#include "common/utf8.h"

namespace vila {
namespace {

constexpr uint64_t kMaxPickle = 32ULL << 20;
constexpr size_t kMaxValues = 1 << 20, kMaxMarks = 64, kMaxRank = 8, kMaxKey = 255, kMaxName = 1024;

constexpr StorageType kStorageTypes[] = {
    {"torch.FloatStorage", "F32", 4, DType::f32},
    {"torch.HalfStorage", "F16", 2, DType::f16},
    {"torch.BFloat16Storage", "BF16", 2, DType::bf16},
    {"torch.LongStorage", "I64", 8, DType::i64},
    {"torch.IntStorage", "I32", 4, DType::i32},
    {"torch.ShortStorage", "I16", 2, DType::i16},
    {"torch.CharStorage", "I8", 1, DType::i8},
    {"torch.ByteStorage", "U8", 1, DType::u8},
    {"torch.BoolStorage", "BOOL", 1, DType::boolean},
    {"torch.DoubleStorage", "F64", 8, std::nullopt},
};

/// The opcodes that are read, by their names in pickletools.
enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kNone = 'N',
  kBinint = 'J',
  kBinint1 = 'K',
  kBinint2 = 'M',
  kBinfloat = 'G',
  kBinunicode = 'X',
  kBinpersid = 'Q',
  kReduce = 'R',
  kBuild = 'b',
  kGlobal = 'c',
  kEmptyDict = '}',
  kEmptyList = ']',
  kEmptyTuple = ')',
  kTuple = 't',
  kAppend = 'a',
  kAppends = 'e',
  kSetitem = 's',
  kSetitems = 'u',
  kBinget = 'h',
  kLongBinget = 'j',
  kBinput = 'q',
  kLongBinput = 'r',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewtrue = 0x88,
  kNewfalse = 0x89,
  kLong1 = 0x8A,
  kShortBinunicode = 0x8C,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

/// The opcodes of pickletools that are not read.
struct Refused {
  uint8_t opcode;
  const char* name;
};
constexpr Refused kRefused[] = {
    {'0', "POP"},          {'1', "POP_MARK"},       {'2', "DUP"},
    {'B', "BINBYTES"},     {'C', "SHORT_BINBYTES"}, {'F', "FLOAT"},
    {'I', "INT"},          {'L', "LONG"},           {'P', "PERSID"},
    {'S', "STRING"},       {'T', "BINSTRING"},      {'U', "SHORT_BINSTRING"},
    {'V', "UNICODE"},      {'d', "DICT"},           {'g', "GET"},
    {'i', "INST"},         {'l', "LIST"},           {'o', "OBJ"},
    {'p', "PUT"},          {0x81, "NEWOBJ"},        {0x82, "EXT1"},
    {0x83, "EXT2"},        {0x84, "EXT4"},          {0x8B, "LONG4"},
    {0x8D, "BINUNICODE8"}, {0x8E, "BINBYTES8"},     {0x8F, "EMPTY_SET"},
    {0x90, "ADDITEMS"},    {0x91, "FROZENSET"},     {0x92, "NEWOBJ_EX"},
    {0x96, "BYTEARRAY8"},  {0x97, "NEXT_BUFFER"},   {0x98, "READONLY_BUFFER"},
};

bool is_control(char c) { return (c >= 0 && c < 0x20) || c == 0x7F; }

std::string hexadecimal(uint8_t value) {
  char text[8];
  std::snprintf(text, sizeof text, "0x%02x", value);
  return text;
}

/// "INST (0x69)", or the number alone of what is no opcode.
std::string refused_name(uint8_t opcode) {
  for (const Refused& refused : kRefused) {
    if (refused.opcode == opcode) return std::string(refused.name) + " (" + hexadecimal(opcode) + ")";
  }
  return hexadecimal(opcode);
}

/// Values refer to each other by their place in the machine's list, so that a pickle that makes a ring of them does no harm.
using Place = uint32_t;
constexpr Place kUnset = std::numeric_limits<Place>::max();

enum class Kind : uint8_t {
  none,          ///< also booleans and floats: nothing of a tensor is one
  integer,       ///< `number`
  text,          ///< `text`
  tuple,         ///< `items`
  list,          ///< `items`
  dict,          ///< `items`: key, value, key, value ...
  ordered_dict,  ///< global collections.OrderedDict
  rebuild_tensor,
  rebuild_parameter,
  storage_type,  ///< `type`
  storage,       ///< `type`, `number` elements, `items`: its key
  tensor,        ///< `items`: storage, first element, shape, strides
};

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::none: return "a plain value";
    case Kind::integer: return "an integer";
    case Kind::text: return "a text";
    case Kind::tuple: return "a tuple";
    case Kind::list: return "a list";
    case Kind::dict: return "a dict";
    case Kind::ordered_dict:
    case Kind::rebuild_tensor:
    case Kind::rebuild_parameter:
    case Kind::storage_type: return "a global";
    case Kind::storage: return "a storage";
    case Kind::tensor: return "a tensor";
  }
  return "?";
}

struct Value {
  Kind kind = Kind::none;
  int64_t number = 0;
  const StorageType* type = nullptr;
  std::string_view text;  ///< in the pickle
  std::vector<Place> items;
  bool holds_tensors = false;  ///< of a dict: whether one of its values is a tensor
};

class Machine {
 public:
  Machine(const uint8_t* data, uint64_t size, const std::string& path) : data_(data), size_(size), path_(path) {
    values_.resize(1);  // None, booleans and floats share the first value.
  }

  /// Runs to STOP; returns the place of what the pickle holds.
  Place run() {
    while (true) {
      start_ = at_;
      const auto opcode = static_cast<uint8_t>(unsigned_number(1));
      if (opcode == kStop) break;
      step(opcode);
    }
    if (stack_.size() != 1 || !marks_.empty()) bad("stops with ", stack_.size(), " values on the stack, expected 1");
    if (at_ != size_) fail(ErrorCode::bad_file, path_, ": ", size_ - at_, " bytes behind the end of the pickle");
    return stack_.back();
  }

  const Value& value(Place place) const { return values_[place]; }
  const std::string& path() const { return path_; }

 private:
  template <typename... Parts>
  [[noreturn]] void bad(const Parts&... parts) const {
    fail(ErrorCode::bad_file, path_, ": pickle opcode ", hexadecimal(data_[start_]), " at byte ", start_, ": ", parts...);
  }

  // Reading

  uint64_t unsigned_number(uint64_t width) {
    const std::string_view bytes = take(width);
    uint64_t number = 0;
    for (size_t i = 0; i < bytes.size(); ++i) number |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
    return number;
  }
  std::string_view take(uint64_t length) {
    if (length > size_ - at_) {
      fail(ErrorCode::bad_file, path_, ": pickle of ", size_, " bytes: needs ", length, " bytes at byte ", at_);
    }
    const std::string_view bytes(reinterpret_cast<const char*>(data_) + at_, length);
    at_ += length;
    return bytes;
  }
  std::string_view line() {
    const std::string_view rest(reinterpret_cast<const char*>(data_) + at_, size_ - at_);
    const size_t length = rest.find('\n');
    if (length == std::string_view::npos) bad("a name without an end");
    at_ += length + 1;
    return rest.substr(0, length);
  }

  // Stack

  void push(Place place) { stack_.push_back(place); }
  Value& push_new(Kind kind) {
    if (values_.size() >= kMaxValues) bad("more than ", kMaxValues, " values");
    push(static_cast<Place>(values_.size()));
    values_.emplace_back().kind = kind;
    return values_.back();
  }
  void push_integer(int64_t number) { push_new(Kind::integer).number = number; }
  void push_text(std::string_view text) { push_new(Kind::text).text = text; }
  /// How much of the stack the current mark leaves in reach.
  size_t in_reach() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  Place top() const {
    if (in_reach() == 0) bad("nothing on the stack");
    return stack_.back();
  }
  Place pop() {
    const Place place = top();
    stack_.pop_back();
    return place;
  }
  /// The values above the last mark, which goes too.
  std::vector<Place> pop_to_mark() {
    if (marks_.empty()) bad("no mark on the stack");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Place> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }
  void push_tuple(size_t count) {
    if (in_reach() < count) bad("a tuple of ", count, " with ", in_reach(), " values on the stack");
    std::vector<Place> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    push_new(Kind::tuple).items = std::move(items);
  }
  Value& top_of_kind(Kind kind) {
    Value& value = values_[top()];
    if (value.kind != kind) bad("on ", name_of(value.kind), ", expected ", name_of(kind));
    return value;
  }
  void extend_list(const std::vector<Place>& items) {
    std::vector<Place>& all = top_of_kind(Kind::list).items;
    all.insert(all.end(), items.begin(), items.end());
  }
  void extend_dict(const std::vector<Place>& items) {
    if (items.size() % 2 != 0) bad("a key without a value");
    Value& dict = top_of_kind(Kind::dict);
    dict.items.insert(dict.items.end(), items.begin(), items.end());
    for (size_t i = 1; i < items.size(); i += 2) dict.holds_tensors |= values_[items[i]].kind == Kind::tensor;
  }

  // Memo

  void put(uint64_t key) {
    if (key >= kMaxValues) bad("memo ", key, ", expected less than ", kMaxValues);
    const Place place = top();
    if (key >= memo_.size()) memo_.resize(key + 1, kUnset);
    if (memo_[key] == kUnset) ++memo_count_;
    memo_[key] = place;
  }
  void get(uint64_t key) {
    if (key >= memo_.size() || memo_[key] == kUnset) bad("memo ", key, " was never set");
    push(memo_[key]);
  }

  // Objects

  void push_global(std::string_view module, std::string_view name) {
    const std::string full = std::string(module) + "." + std::string(name);
    if (full == "collections.OrderedDict") return void(push_new(Kind::ordered_dict));
    if (full == "torch._utils._rebuild_tensor_v2") return void(push_new(Kind::rebuild_tensor));
    if (full == "torch._utils._rebuild_parameter") return void(push_new(Kind::rebuild_parameter));
    for (const StorageType& type : kStorageTypes) {
      if (full == type.global) return void(push_new(Kind::storage_type).type = &type);
    }
    fail(ErrorCode::unsupported, path_, ": global ", printable(full), ", which a checkpoint of tensors does not need");
  }

  /// A persistent id is ("storage", type, key, place it was saved from, elements).
  void push_storage(const Value& id) {
    const auto is = [&](size_t i, Kind kind) { return values_[id.items[i]].kind == kind; };
    if (id.kind != Kind::tuple || id.items.size() != 5 || !is(0, Kind::text) || values_[id.items[0]].text != "storage" ||
        !is(1, Kind::storage_type) || !is(2, Kind::text) || values_[id.items[2]].text.size() > kMaxKey || !is(4, Kind::integer) ||
        values_[id.items[4]].number < 0) {
      bad("a persistent id that is no storage");
    }
    const Place key = id.items[2];
    const StorageType* type = values_[id.items[1]].type;
    const int64_t elements = values_[id.items[4]].number;
    Value& storage = push_new(Kind::storage);
    storage.type = type;
    storage.number = elements;
    storage.items = {key};
  }

  /// Looks at no more than a shape may have: a pickle can name one tuple any number of times.
  bool is_sizes(Place place) const {
    const Value& sizes = values_[place];
    if (sizes.kind == Kind::tuple && sizes.items.size() > kMaxRank) {
      bad("a shape or strides of ", sizes.items.size(), " numbers, at most ", kMaxRank, " are accepted");
    }
    return sizes.kind == Kind::tuple && std::all_of(sizes.items.begin(), sizes.items.end(), [this](Place item) {
             return values_[item].kind == Kind::integer && values_[item].number >= 0;
           });
  }

  /// _rebuild_tensor_v2(storage, first, shape, strides, requires_grad, backward hooks[, metadata])
  void push_tensor(const Value& arguments) {
    const std::vector<Place>& items = arguments.items;
    if (items.size() < 6 || items.size() > 7 || values_[items[0]].kind != Kind::storage ||
        values_[items[1]].kind != Kind::integer || values_[items[1]].number < 0 || !is_sizes(items[2]) || !is_sizes(items[3]) ||
        values_[items[2]].items.size() != values_[items[3]].items.size()) {
      bad("_rebuild_tensor_v2 of something else than storage, offset, shape and strides");
    }
    std::vector<Place> parts(items.begin(), items.begin() + 4);
    push_new(Kind::tensor).items = std::move(parts);
  }

  void reduce() {
    const Place arguments = pop(), callable = pop();
    const Value& given = values_[arguments];
    if (given.kind != Kind::tuple) bad("arguments are ", name_of(given.kind), ", expected a tuple");
    switch (values_[callable].kind) {
      case Kind::ordered_dict:
        if (!given.items.empty()) bad("OrderedDict with arguments, expected none");
        push_new(Kind::dict);
        return;
      case Kind::rebuild_tensor: return push_tensor(given);
      case Kind::rebuild_parameter:
        if (given.items.empty() || values_[given.items[0]].kind != Kind::tensor) bad("_rebuild_parameter without a tensor");
        return push(given.items[0]);
      default: bad("calls ", name_of(values_[callable].kind), ", expected OrderedDict, _rebuild_tensor_v2 or _rebuild_parameter");
    }
  }

  void long1() {
    const std::string_view bytes = take(unsigned_number(1));
    if (bytes.size() > 8) return push(0);  // No size is that large.
    uint64_t number = !bytes.empty() && (bytes.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
    for (size_t i = bytes.size(); i-- > 0;) number = number << 8 | static_cast<uint8_t>(bytes[i]);
    push_integer(static_cast<int64_t>(number));
  }

  void protocol() {
    const uint64_t version = unsigned_number(1);
    if (version < 2 || version > 5) fail(ErrorCode::unsupported, path_, ": pickle protocol ", version, ", supported are 2 to 5");
  }

  void stack_global() {
    const Value &name = values_[pop()], &module = values_[pop()];
    if (name.kind != Kind::text || module.kind != Kind::text) bad("a global that is not named by texts");
    push_global(module.text, name.text);
  }

  void step(uint8_t opcode) {
    switch (opcode) {
      case kProto: return protocol();
      case kFrame: return void(unsigned_number(8));
      case kMark:
        if (marks_.size() >= kMaxMarks) bad("marks nested deeper than ", kMaxMarks);
        return marks_.push_back(stack_.size());
      case kNone:
      case kNewtrue:
      case kNewfalse: return push(0);
      case kBinfloat: return take(8), push(0);
      case kBinint: return push_integer(static_cast<int32_t>(static_cast<uint32_t>(unsigned_number(4))));
      case kBinint1: return push_integer(static_cast<int64_t>(unsigned_number(1)));
      case kBinint2: return push_integer(static_cast<int64_t>(unsigned_number(2)));
      case kLong1: return long1();
      case kBinunicode: return push_text(take(unsigned_number(4)));
      case kShortBinunicode: return push_text(take(unsigned_number(1)));
      case kEmptyDict: return void(push_new(Kind::dict));
      case kEmptyList: return void(push_new(Kind::list));
      case kEmptyTuple: return push_tuple(0);
      case kTuple1: return push_tuple(1);
      case kTuple2: return push_tuple(2);
      case kTuple3: return push_tuple(3);
      case kTuple: {
        std::vector<Place> items = pop_to_mark();
        push_new(Kind::tuple).items = std::move(items);
        return;
      }
      case kAppend: {
        const Place item = pop();
        return extend_list({item});
      }
      case kAppends: return extend_list(pop_to_mark());
      case kSetitem: {
        const Place item = pop(), key = pop();
        return extend_dict({key, item});
      }
      case kSetitems: return extend_dict(pop_to_mark());
      case kBinput: return put(unsigned_number(1));
      case kLongBinput: return put(unsigned_number(4));
      case kMemoize: return put(memo_count_);
      case kBinget: return get(unsigned_number(1));
      case kLongBinget: return get(unsigned_number(4));
      case kGlobal: {
        const std::string_view module = line();
        return push_global(module, line());
      }
      case kStackGlobal: return stack_global();
      case kBinpersid: return push_storage(values_[pop()]);
      case kReduce: return reduce();
      case kBuild:  // An OrderedDict's attributes, such as _metadata.
        pop();
        top_of_kind(Kind::dict);
        return;
      default:
        fail(ErrorCode::unsupported, path_, ": pickle opcode ", refused_name(opcode), " at byte ", start_,
             ", which a checkpoint of tensors does not need");
    }
  }

  const uint8_t* data_;
  uint64_t size_;
  const std::string& path_;
  uint64_t at_ = 0, start_ = 0;  ///< of the next byte, of the current opcode
  std::vector<Value> values_;
  std::vector<Place> stack_;
  std::vector<size_t> marks_;  ///< heights of the stack
  std::vector<Place> memo_;    ///< by key; writers count them up
  uint64_t memo_count_ = 0;    ///< of the keys that are set
};

std::vector<int64_t> sizes_of(const Machine& machine, Place place) {
  std::vector<int64_t> sizes;
  for (const Place item : machine.value(place).items) sizes.push_back(machine.value(item).number);
  return sizes;
}

/// The name a state gives a tensor.
std::string tensor_name(const Machine& machine, const Value& key) {
  if (key.kind != Kind::text) {
    fail(ErrorCode::bad_file, machine.path(), ": the name of a tensor is ", name_of(key.kind), ", expected a text");
  }
  if (key.text.size() > kMaxName) {
    fail(ErrorCode::bad_file, machine.path(), ": a tensor name of ", key.text.size(), " bytes, at most ", kMaxName,
         " are accepted");
  }
  const bool controls = std::any_of(key.text.begin(), key.text.end(), is_control);
  if (controls || invalid_utf8_offset(key.text) != std::string_view::npos) {
    fail(ErrorCode::bad_file, machine.path(), ": the tensor name ", printable(key.text),
         " is not UTF-8 or holds a control character");
  }
  return std::string(key.text);
}

PickledTensor describe(const Machine& machine, const Value& key, const Value& value) {
  const Value& storage = machine.value(value.items[0]);
  PickledTensor tensor;
  tensor.name = tensor_name(machine, key);
  tensor.storage = std::string(machine.value(storage.items[0]).text);
  tensor.type = storage.type;
  tensor.storage_elements = static_cast<uint64_t>(storage.number);
  tensor.first = static_cast<uint64_t>(machine.value(value.items[1]).number);
  tensor.shape = sizes_of(machine, value.items[2]);
  tensor.strides = sizes_of(machine, value.items[3]);
  return tensor;
}

/// The dict of tensors: the whole, or the only one in it.
const Value& find_state(const Machine& machine, const Value& whole) {
  if (whole.kind != Kind::dict) {
    fail(ErrorCode::bad_file, machine.path(), ": holds ", name_of(whole.kind), ", expected a dict of tensors");
  }
  std::vector<const Value*> states;
  std::string keys;
  const auto add = [&](const Value& state, const std::string& key) {
    states.push_back(&state);
    keys += (keys.empty() ? "" : ", ") + key;
  };
  if (whole.holds_tensors) add(whole, "at the top");
  for (size_t i = 0; i + 1 < whole.items.size() && states.size() < 2; i += 2) {
    const Value &key = machine.value(whole.items[i]), &value = machine.value(whole.items[i + 1]);
    if (value.holds_tensors) add(value, key.kind == Kind::text ? printable(key.text) : name_of(key.kind));
  }
  if (states.empty()) fail(ErrorCode::bad_file, machine.path(), ": holds no tensors");
  if (states.size() > 1) {
    fail(ErrorCode::unsupported, machine.path(), ": holds several dicts of tensors (", keys, "), expected one");
  }
  return *states.front();
}

}  // namespace

std::vector<PickledTensor> read_pickled_tensors(const uint8_t* data, uint64_t size, const std::string& path) {
  if (size > kMaxPickle) {
    fail(ErrorCode::bad_file, path, ": pickle of ", size, " bytes, at most ", kMaxPickle, " are accepted");
  }
  Machine machine(data, size, path);
  const Value& state = find_state(machine, machine.value(machine.run()));
  std::vector<PickledTensor> tensors;
  std::set<std::string> names;
  for (size_t i = 0; i < state.items.size(); i += 2) {
    const Value& value = machine.value(state.items[i + 1]);
    if (value.kind != Kind::tensor) continue;
    tensors.push_back(describe(machine, machine.value(state.items[i]), value));
    if (!names.insert(tensors.back().name).second) {
      fail(ErrorCode::bad_file, path, ": tensor ", tensors.back().name, " is listed twice");
    }
  }
  return tensors;
}

}  // namespace vila
