// Counters, gauges and histograms in the text format of Prometheus (exposition format 0.0.4). Our own, because Debian
// has prometheus-cpp as a shared library only, and the webhook is one static program: what it saves in memory is told
// in bench/notes/webhook.md.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuinfer::webhook {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// One counter or gauge with its values, one for each set of labels that was ever named. Not for several threads at
/// once.
class Metric {
 public:
  enum class Type { kCounter, kGauge };

  Metric(Type type, std::string name, std::string help) : type_(type), name_(std::move(name)), help_(std::move(help)) {}

  /// Adds to a counter; an amount of 0 makes it known, so that one can alert on its first increase.
  void add(Labels labels, double amount = 1);
  void set(Labels labels, double value);
  /// Forgets all values.
  void clear() { values_.clear(); }

  /// Appends "# HELP", "# TYPE" and a line for each value.
  void write(std::string& text) const;

 private:
  Type type_;
  std::string name_;
  std::string help_;
  std::map<std::string, double> values_;  ///< by labels as they are written: {kind="Pod"}
};

/// How often values fell into each bucket. Not for several threads at once.
class Histogram {
 public:
  /// `bounds` are the buckets' upper bounds, ascending; one without a bound comes after them.
  Histogram(std::string name, std::string help, std::vector<double> bounds);

  void observe(double value);

  /// Appends "# HELP", "# TYPE", the buckets (each counts the smaller ones too), the sum and the count.
  void write(std::string& text) const;

 private:
  std::string name_;
  std::string help_;
  std::vector<double> bounds_;
  std::vector<std::uint64_t> counts_;  ///< [bounds + 1]
  double sum_ = 0;
};

}  // namespace gpuinfer::webhook
