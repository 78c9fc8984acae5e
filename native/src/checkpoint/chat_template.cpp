// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/chat_template.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "checkpoint/config_readers.h"
#include "common/mapped_file.h"

namespace vila {
namespace {

constexpr uint64_t kMaxTemplateBytes = 1ULL << 20;
constexpr std::string_view kBegin = "<|im_start|>", kEnd = "<|im_end|>";
constexpr std::string_view kSystem = "<|im_start|>system\n", kAnswer = "<|im_start|>assistant\n";

/// A text that the template may write: outside of tags as it stands, or a string of an expression. `before` and `after` are what
/// stands beside a string within its tag: to the end of the tag or to the next string.
struct Piece {
  std::string text, before, after;
};

char unescaped(char c) {
  switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    default: return c;
  }
}

/// The strings of one tag's inside, with the code around each.
void add_strings(std::string_view code, std::vector<Piece>& pieces) {
  std::string between;
  const size_t first = pieces.size();
  for (size_t i = 0; i < code.size(); ++i) {
    if (code[i] != '\'' && code[i] != '"') {
      between += code[i];
      continue;
    }
    const char quote = code[i];
    Piece piece;
    for (++i; i < code.size() && code[i] != quote; ++i) {
      const bool escape = code[i] == '\\' && i + 1 < code.size();
      piece.text += escape ? unescaped(code[++i]) : code[i];
    }
    if (pieces.size() > first) pieces.back().after = between;
    piece.before = std::move(between);
    between.clear();
    pieces.push_back(std::move(piece));
  }
  if (pieces.size() > first) pieces.back().after = between;
}

/// Where the tag that begins at `from` ends: behind its closing mark, strings looked over.
size_t tag_end(std::string_view jinja, size_t from, std::string_view close) {
  for (size_t i = from; i < jinja.size(); ++i) {
    if (jinja.compare(i, close.size(), close) == 0) return i + close.size();
    if (close == "#}" || (jinja[i] != '\'' && jinja[i] != '"')) continue;
    const char quote = jinja[i];
    for (++i; i < jinja.size() && jinja[i] != quote; ++i) {
      if (jinja[i] == '\\') ++i;
    }
  }
  return jinja.size();
}

std::vector<Piece> pieces_of(std::string_view jinja) {
  std::vector<Piece> pieces;
  size_t text = 0;
  for (size_t i = 0; i + 1 < jinja.size();) {
    const char kind = jinja[i] == '{' ? jinja[i + 1] : '\0';
    if (kind != '{' && kind != '%' && kind != '#') {
      ++i;
      continue;
    }
    if (i > text) pieces.push_back({std::string(jinja.substr(text, i - text)), "", ""});
    const std::string close = kind == '{' ? "}}" : std::string(1, kind) + "}";
    const size_t end = tag_end(jinja, i + 2, close);
    if (kind != '#') add_strings(jinja.substr(i + 2, end - i - 2), pieces);
    i = text = end;
  }
  if (text < jinja.size()) pieces.push_back({std::string(jinja.substr(text)), "", ""});
  return pieces;
}

bool any_contains(const std::vector<Piece>& pieces, std::string_view part) {
  return std::any_of(pieces.begin(), pieces.end(), [&](const Piece& p) { return p.text.find(part) != std::string::npos; });
}

std::string trimmed(std::string_view code) {
  const auto at = code.find_first_not_of(" \t\r\n-"), end = code.find_last_not_of(" \t\r\n-");
  return at == std::string_view::npos ? "" : std::string(code.substr(at, end - at + 1));
}

/// NAME of "+ NAME +" or "+ NAME" at the end of the tag; empty for anything else.
std::string joined_name(const std::string& code) {
  std::string name = trimmed(code);
  for (const std::string_view mark : {"}}", "%}"}) {
    if (name.ends_with(mark)) name = trimmed(std::string_view(name).substr(0, name.size() - mark.size()));
  }
  if (!name.starts_with('+')) return "";
  name = trimmed(std::string_view(name).substr(1));
  if (name.ends_with('+')) name = trimmed(std::string_view(name).substr(0, name.size() - 1));
  const bool plain =
      std::all_of(name.begin(), name.end(), [](char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
  return plain ? name : "";
}

/// The text of the first `set NAME = "..."`.
std::optional<std::string> text_of_name(const std::vector<Piece>& pieces, const std::string& name) {
  for (const Piece& piece : pieces) {
    const std::string code = trimmed(piece.before);
    if (code.starts_with("set ") && code.ends_with('=') && trimmed(std::string_view(code).substr(4, code.size() - 5)) == name)
      return piece.text;
  }
  return std::nullopt;
}

/// The system text that stands in the template itself, not in the conversation.
std::optional<std::string> default_system(const std::vector<Piece>& pieces) {
  for (const Piece& piece : pieces) {
    for (size_t at = piece.text.find(kSystem); at != std::string::npos; at = piece.text.find(kSystem, at + 1)) {
      const size_t from = at + kSystem.size(), end = piece.text.find(kEnd, from);
      if (end != std::string::npos) return piece.text.substr(from, end - from);
      const std::string name = from == piece.text.size() ? joined_name(piece.after) : "";
      if (name.empty()) continue;
      if (auto text = text_of_name(pieces, name)) return text;
    }
  }
  return std::nullopt;
}

}  // namespace

ChatMlSystem read_chat_ml(const std::string& jinja, const std::string& where) {
  const std::vector<Piece> pieces = pieces_of(jinja);
  for (const std::string_view part : {kBegin, kEnd, kAnswer}) {
    if (!any_contains(pieces, part)) {
      fail(ErrorCode::unsupported, where, ": the template has no ", Json(part).dump(), ", supported is ChatML");
    }
  }
  for (const std::string_view part : {"[INST]", "<|start_header_id|>", "<start_of_turn>", "USER:"}) {
    if (any_contains(pieces, part)) {
      fail(ErrorCode::unsupported, where, ": the template has ", Json(part).dump(), ", supported is ChatML");
    }
  }
  // Each end mark is followed by a line end: in its own text, in the next one, or before a tag that begins a line.
  for (size_t i = 0; i < pieces.size(); ++i) {
    const std::string& text = pieces[i].text;
    for (size_t at = text.find(kEnd); at != std::string::npos; at = text.find(kEnd, at + 1)) {
      const std::string_view rest = std::string_view(text).substr(at + kEnd.size());
      const bool next = rest.empty() && i + 1 < pieces.size() && pieces[i + 1].text.starts_with('\n');
      if (!rest.starts_with('\n') && !next) {
        fail(ErrorCode::unsupported, where, ": the template has a ", Json(kEnd).dump(),
             " without a line end behind it, supported is ChatML");
      }
    }
  }
  return {default_system(pieces)};
}

std::optional<ChatTemplate> find_chat_template(const std::string& folder) {
  if (const std::string file = in_folder(folder, "chat_template.jinja"); is_file(file)) {
    return ChatTemplate{read_file(file, kMaxTemplateBytes), file};
  }
  const auto config = read_if_there(in_folder(folder, "tokenizer_config.json"));
  if (!config || !config->has("chat_template")) return std::nullopt;
  const Json& value = config->value().at("chat_template");
  const std::string where = config->name() + ": chat_template";
  if (value.is_string()) return ChatTemplate{value.get<std::string>(), where};
  if (!value.is_array()) fail(ErrorCode::bad_file, where, " is neither a text nor a list of templates");
  for (const Json& item : value) {
    const JsonObject named(item, where);
    if (named.string("name") == "default") return ChatTemplate{named.string("template"), where + ": default"};
  }
  fail(ErrorCode::unsupported, where, " is a list without \"default\"");
}

}  // namespace vila
