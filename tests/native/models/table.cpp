// SPDX-License-Identifier: Apache-2.0
// The compatibility table of docs/models.md from the agreements that test programs recorded (support/agreement.h).
//
//   models_table check DOC FILE...   fails unless DOC's table has the recorded rows, and no others; figures may differ by machine,
//                                    recorded ones must keep their tolerance
//   models_table write DOC FILE...   writes the recorded rows with their figures into DOC
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

const std::string kBegin = "<!-- written by models_table: begin -->\n", kEnd = "<!-- written by models_table: end -->\n";
const std::string kHeader =
    "| model | layout | particular | prompts | precision | against | features | tokens | logits |\n|---|---|---|---|---|---|---|---|---|\n";

struct Row {
  std::string words;                               ///< every column but the figures, as Markdown
  double features = -1, tokens = -1, logits = -1;  ///< the largest differences of any record
};

/// Rows in the order of their first record; later records of the same row raise its figures.
std::vector<Row> read_rows(const std::vector<std::string>& files) {
  std::vector<Row> rows;
  for (const std::string& file : files) {
    std::ifstream in(file);
    if (!in) throw std::runtime_error(file + ": not found; the test that records it has not run");
    for (std::string line; std::getline(in, line);) {
      const auto record = nlohmann::json::parse(line);
      std::string words;
      for (const char* key : {"model", "layout", "particular", "prompts", "precision", "reference"}) {
        words += "| " + record.at(key).get<std::string>() + " ";
      }
      const auto figure = [&](const char* key, const char* tolerance) {
        const double value = record.at(key), limit = record.at(tolerance);
        if (value >= limit)
          throw std::runtime_error(words + "| " + key + ": " + std::to_string(value) + " is not below its tolerance");
        return value;
      };
      auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.words == words; });
      if (row == rows.end()) row = rows.insert(rows.end(), Row{words});
      row->features = std::max(row->features, figure("features", "feature_tolerance"));
      row->tokens = std::max(row->tokens, figure("tokens", "feature_tolerance"));
      row->logits = std::max(row->logits, figure("logits", "logit_tolerance"));
    }
  }
  if (rows.empty()) throw std::runtime_error("no row was recorded");
  return rows;
}

std::string shown(double figure) {
  if (figure < 0) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1e", figure);
  return text;
}

std::string table_of(const std::vector<Row>& rows) {
  std::string table = kHeader;
  for (const Row& row : rows) {
    table += row.words + "| " + shown(row.features) + " | " + shown(row.tokens) + " | " + shown(row.logits) + " |\n";
  }
  return table;
}

/// The document before, in and after the table.
struct Document {
  std::string before, table, after;
};

Document read_document(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  const std::string all = text.str();
  const size_t begin = all.find(kBegin), end = all.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    throw std::runtime_error(path + ": expected the lines " + kBegin + "and " + kEnd);
  }
  const size_t from = begin + kBegin.size();
  return {all.substr(0, from), all.substr(from, end - from), all.substr(end)};
}

/// The table's lines without the three figures at their ends.
std::vector<std::string> words_of(const std::string& table) {
  std::vector<std::string> words;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    size_t at = line.size();
    for (int columns = 0; columns < 4 && at != std::string::npos && at > 0; ++columns) at = line.rfind('|', at - 1);
    words.push_back(line.substr(0, at == std::string::npos ? 0 : at));
  }
  return words;
}

int check(const std::string& path, const std::vector<Row>& rows) {
  const std::vector<std::string> written = words_of(read_document(path).table), recorded = words_of(table_of(rows));
  if (written == recorded) return 0;
  for (const std::string& row : recorded) {
    if (std::find(written.begin(), written.end(), row) == written.end()) std::cerr << "not in " << path << ": " << row << "\n";
  }
  for (const std::string& row : written) {
    if (std::find(recorded.begin(), recorded.end(), row) == recorded.end()) std::cerr << "not recorded: " << row << "\n";
  }
  std::cerr << path << ": its table is not that of this run; build the target models_doc to write it anew\n";
  return 1;
}

void write(const std::string& path, const std::vector<Row>& rows) {
  const Document document = read_document(path);
  std::ofstream out(path, std::ios::trunc);
  out << document.before << table_of(rows) << document.after;
  if (!out.flush()) throw std::runtime_error(path + ": cannot write");
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  try {
    if (words.size() < 3 || (words[0] != "check" && words[0] != "write")) {
      throw std::runtime_error("usage: models_table check|write DOC FILE...");
    }
    const std::vector<Row> rows = read_rows({words.begin() + 2, words.end()});
    if (words[0] == "check") return check(words[1], rows);
    write(words[1], rows);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "models_table: " << error.what() << "\n";
    return 1;
  }
}
