// Longest common subsequence over lines; manifests are short, so the quadratic table is fine.
#include "plugin/line_diff.hpp"

#include <algorithm>
#include <vector>

namespace gpuinfer::plugin {

namespace {

struct Line {
  char mark = ' ';  ///< ' ' in both, '-' only before, '+' only after
  std::string_view text;
};

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::vector<Line> align(const std::vector<std::string_view>& before, const std::vector<std::string_view>& after) {
  // common[i][j]: length of the longest common subsequence of before[i..] and after[j..].
  std::vector<std::vector<int>> common(before.size() + 1, std::vector<int>(after.size() + 1, 0));
  for (std::size_t i = before.size(); i-- > 0;) {
    for (std::size_t j = after.size(); j-- > 0;) {
      common[i][j] = before[i] == after[j] ? common[i + 1][j + 1] + 1 : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  std::vector<Line> lines;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < before.size() || j < after.size()) {
    if (i < before.size() && j < after.size() && before[i] == after[j]) {
      lines.push_back({' ', before[i++]});
      ++j;
    } else if (i < before.size() && (j == after.size() || common[i + 1][j] >= common[i][j + 1])) {
      lines.push_back({'-', before[i++]});
    } else {
      lines.push_back({'+', after[j++]});
    }
  }
  return lines;
}

std::string range(std::size_t start, std::size_t count) {
  return std::to_string(count == 0 ? start : start + 1) + "," + std::to_string(count);
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after, std::string_view before_name,
                         std::string_view after_name) {
  constexpr std::size_t kContext = 3;
  if (before == after) return "";
  const std::vector<Line> lines = align(split_lines(before), split_lines(after));
  std::string diff = "--- " + std::string(before_name) + "\n+++ " + std::string(after_name) + "\n";
  const auto is_change = [](const Line& line) { return line.mark != ' '; };
  std::size_t before_line = 0;
  std::size_t after_line = 0;
  std::size_t next = 0;  // the first line that no hunk has taken
  const auto skip_to = [&](std::size_t end) {
    for (; next < end; ++next) {
      before_line += lines[next].mark != '+';
      after_line += lines[next].mark != '-';
    }
  };
  while (true) {
    const auto change = std::find_if(lines.begin() + static_cast<std::ptrdiff_t>(next), lines.end(), is_change);
    if (change == lines.end()) return diff;
    const auto first = static_cast<std::size_t>(change - lines.begin());
    std::size_t last = first;  // the last change that is near enough to belong to the same hunk
    for (std::size_t i = first; i < lines.size() && i <= last + 2 * kContext + 1; ++i) {
      if (is_change(lines[i])) last = i;
    }
    skip_to(std::max(next, first - std::min(first, kContext)));
    const std::size_t end = std::min(last + kContext + 1, lines.size());
    std::string body;
    std::size_t before_count = 0;
    std::size_t after_count = 0;
    for (std::size_t i = next; i < end; ++i) {
      body += lines[i].mark + std::string(lines[i].text) + "\n";
      before_count += lines[i].mark != '+';
      after_count += lines[i].mark != '-';
    }
    diff += "@@ -" + range(before_line, before_count) + " +" + range(after_line, after_count) + " @@\n" + body;
    skip_to(end);
  }
}

}  // namespace gpuinfer::plugin
