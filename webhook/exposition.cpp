#include "webhook/exposition.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace gpuinfer::webhook {

namespace {

/// As short as it can be read back exactly.
std::string number(double value) {
  std::array<char, 512> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), value, std::chars_format::fixed).ptr;
  return {digits.begin(), end};
}

/// `{name="value",…}`, "" without labels.
std::string written(Labels labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += text.empty() ? '{' : ',';
    text.append(name).append("=\"");
    for (const char c : value) {
      if (c == '\\' || c == '"') text += '\\';
      if (c == '\n') {
        text += "\\n";
      } else {
        text += c;
      }
    }
    text += '"';
  }
  return text.empty() ? text : text + '}';
}

void write_head(std::string& text, const std::string& name, const std::string& help, std::string_view type) {
  text.append("# HELP ").append(name).append(" ").append(help);
  text.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void write_line(std::string& text, const std::string& name, const std::string& labels, const std::string& value) {
  text.append(name).append(labels).append(" ").append(value).append("\n");
}

}  // namespace

void Metric::add(Labels labels, double amount) { values_[written(labels)] += amount; }

void Metric::set(Labels labels, double value) { values_[written(labels)] = value; }

void Metric::write(std::string& text) const {
  write_head(text, name_, help_, type_ == Type::kCounter ? "counter" : "gauge");
  for (const auto& [labels, value] : values_) write_line(text, name_, labels, number(value));
}

Histogram::Histogram(std::string name, std::string help, std::vector<double> bounds)
    : name_(std::move(name)), help_(std::move(help)), bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void Histogram::observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  ++counts_[static_cast<std::size_t>(bucket)];
  sum_ += value;
}

void Histogram::write(std::string& text) const {
  write_head(text, name_, help_, "histogram");
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    total += counts_[i];
    const std::string bound = i < bounds_.size() ? number(bounds_[i]) : "+Inf";
    write_line(text, name_ + "_bucket", written({{"le", bound}}), std::to_string(total));
  }
  write_line(text, name_ + "_sum", "", number(sum_));
  write_line(text, name_ + "_count", "", std::to_string(total));
}

}  // namespace gpuinfer::webhook
