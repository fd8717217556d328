#include "base/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <sstream>

namespace gpuinfer {

namespace {

/// More values than any Kubernetes object holds, far fewer than an alias bomb makes.
constexpr std::size_t kMaxValues = 1'000'000;
constexpr int kMaxDepth = 200;

[[noreturn]] void fail(const std::string& name, const YAML::Mark& mark, const std::string& message) {
  throw YamlError(name + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1) + ": " + message);
}

template <typename Integer>
std::optional<Integer> whole_number(std::string_view digits, int base) {
  Integer value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<Json> integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  const bool has_sign = negative || text.starts_with('+');
  std::string_view digits = text.substr(has_sign ? 1 : 0);
  int base = 10;
  if (digits.starts_with("0x")) base = 16;
  if (digits.starts_with("0o")) base = 8;
  if (base != 10) digits.remove_prefix(2);
  if (digits.empty() || std::isxdigit(static_cast<unsigned char>(digits.front())) == 0) return std::nullopt;
  if (negative && base == 10) {
    if (const auto value = whole_number<std::int64_t>(text, 10)) return *value;
    return std::nullopt;
  }
  const auto value = whole_number<std::uint64_t>(digits, base);
  if (!value || negative) return std::nullopt;
  return *value;
}

/// The numbers of the YAML 1.2 core schema: -12.5e3, .5, 1.; never "inf" or "nan", which JSON cannot hold.
std::optional<Json> floating(std::string_view text) {
  const std::string_view unsigned_text = text.substr(text.starts_with('-') || text.starts_with('+') ? 1 : 0);
  const bool starts_like_a_number =
      !unsigned_text.empty() && (std::isdigit(static_cast<unsigned char>(unsigned_text[0])) != 0 ||
                                 (unsigned_text.size() > 1 && unsigned_text[0] == '.' &&
                                  std::isdigit(static_cast<unsigned char>(unsigned_text[1])) != 0));
  if (!starts_like_a_number) return std::nullopt;
  const std::string_view number = text.substr(text.starts_with('+') ? 1 : 0);
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc{} || end != number.data() + number.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// What a plain (unquoted) scalar means.
Json resolve_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (auto value = integer(text)) return *value;
  if (auto value = floating(text)) return *value;
  return text;
}

std::string escape_pointer(const std::string& key) {
  std::string escaped;
  for (const char c : key) {
    if (c == '~') {
      escaped += "~0";
    } else if (c == '/') {
      escaped += "~1";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

/// JSON's writer is strict about it.
bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

class Converter {
 public:
  explicit Converter(const std::string& name) : name_(name) {}

  YamlDocument convert(const YAML::Node& root) {
    YamlDocument document;
    document.value = value(root, "", 0, document.positions);
    return document;
  }

 private:
  Json value(const YAML::Node& node, const std::string& pointer, int depth,
             std::map<std::string, YamlPosition>& positions) {
    if (++values_ > kMaxValues)
      fail(name_, node.Mark(), "more than a million values; are aliases expanding each other?");
    if (depth > kMaxDepth) fail(name_, node.Mark(), "nested more than 200 levels deep");
    positions[pointer] = {node.Mark().line + 1, node.Mark().column + 1};
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        return scalar(node);
      case YAML::NodeType::Sequence: {
        Json array = Json::array();
        for (const YAML::Node& item : node) {
          array.push_back(value(item, pointer + "/" + std::to_string(array.size()), depth + 1, positions));
        }
        return array;
      }
      case YAML::NodeType::Map: {
        Json object = Json::object();
        for (const auto& entry : node) {
          if (!entry.first.IsScalar()) fail(name_, entry.first.Mark(), "a key must be a plain value");
          const std::string& key = text(entry.first);
          if (object.contains(key)) fail(name_, entry.first.Mark(), "duplicate key '" + key + "'");
          object[key] = value(entry.second, pointer + "/" + escape_pointer(key), depth + 1, positions);
        }
        return object;
      }
      default:
        return nullptr;
    }
  }

  /// yaml-cpp takes any bytes; a JSON value of them could not be written again.
  const std::string& text(const YAML::Node& node) const {
    if (!is_utf8(node.Scalar())) fail(name_, node.Mark(), "not UTF-8");
    return node.Scalar();
  }

  Json scalar(const YAML::Node& node) {
    const std::string& tag = node.Tag();
    const bool quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (quoted) return text(node);
    if (tag == "tag:yaml.org,2002:binary")
      fail(name_, node.Mark(), "!!binary is not supported; write the base64 text as a string");
    return resolve_scalar(text(node));
  }

  const std::string& name_;
  std::size_t values_ = 0;
};

bool needs_quotes(const std::string& text) {
  if (!resolve_scalar(text).is_string()) return true;
  // Other readers (YAML 1.1) take these for booleans, numbers or dates; a quoted string is never misread.
  static const std::vector<std::string> kBooleans{"y",  "Y",  "yes", "Yes", "YES", "n",   "N",   "no",
                                                  "No", "NO", "on",  "On",  "ON",  "off", "Off", "OFF"};
  for (const std::string& word : kBooleans) {
    if (text == word) return true;
  }
  const auto first = static_cast<unsigned char>(text.front());
  if (std::isdigit(first) != 0 || ((first == '+' || first == '-' || first == '.') && text.size() > 1)) {
    if (text.find_first_not_of("0123456789+-.:_eExXoabcdfABCDFTZ ") == std::string::npos) return true;
  }
  if (std::string_view("-?:,[]{}#&*!|>'\"%@`=<").find(text.front()) != std::string_view::npos) {
    const bool plain_start =
        (text.front() == '-' || text.front() == '?' || text.front() == ':') && text.size() > 1 && text[1] != ' ';
    if (!plain_start || text.starts_with("---")) return true;
  }
  if (text.starts_with("...")) return true;
  if (text.front() == ' ' || text.back() == ' ' || text.back() == ':') return true;
  if (text.find(": ") != std::string::npos || text.find(" #") != std::string::npos) return true;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return true;
  }
  return false;
}

/// A `|` block keeps every character of `text`: it has several lines, no control characters, and does not start with a
/// blank.
bool fits_block(const std::string& text) {
  if (text.find('\n') == std::string::npos || text.front() == ' ' || text.front() == '\n') return false;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7F) return false;
  }
  return true;
}

/// JSON's double-quoted form is valid YAML.
std::string quoted(const std::string& text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string scalar_text(const Json& value) {
  if (!value.is_string()) return value.dump();
  const std::string& text = value.get_ref<const std::string&>();
  return needs_quotes(text) ? quoted(text) : text;
}

class Emitter {
 public:
  std::string emit(const Json& value) {
    if (is_block(value)) {
      block(value, 0);
    } else {
      out_ += inline_text(value) + "\n";
    }
    return std::move(out_);
  }

 private:
  /// Written over several lines: a collection with something in it.
  static bool is_block(const Json& value) { return value.is_structured() && !value.empty(); }

  static std::string inline_text(const Json& value) {
    if (value.is_object()) return "{}";
    if (value.is_array()) return "[]";
    return scalar_text(value);
  }

  void block(const Json& value, int indent) {
    if (value.is_array()) {
      for (const Json& item : value) {
        out_.append(indent, ' ');
        out_ += "-";
        after_dash(item, indent + 2);
      }
      return;
    }
    for (const auto& [key, item] : value.items()) {
      out_.append(indent, ' ');
      entry(key, item, indent);
    }
  }

  /// The first line of an item stands beside its dash.
  void after_dash(const Json& item, int indent) {
    if (!is_block(item)) {
      leaf(item, indent);
      return;
    }
    out_ += " ";
    const std::size_t start = out_.size();
    block(item, indent);
    out_.erase(start, static_cast<std::size_t>(indent));
  }

  void entry(const std::string& key, const Json& item, int indent) {
    out_ += scalar_text(Json(key)) + ":";
    if (is_block(item)) {
      out_ += "\n";
      block(item, item.is_array() ? indent : indent + 2);
    } else {
      leaf(item, indent + 2);
    }
  }

  void leaf(const Json& value, int indent) {
    if (!value.is_string() || !fits_block(value.get_ref<const std::string&>())) {
      out_ += " " + inline_text(value) + "\n";
      return;
    }
    const std::string& text = value.get_ref<const std::string&>();
    const std::size_t trailing = text.size() - text.find_last_not_of('\n') - 1;
    out_ += trailing == 0 ? " |-\n" : trailing == 1 ? " |\n" : " |+\n";
    std::size_t start = 0;
    while (start < text.size()) {
      const std::size_t end = text.find('\n', start);
      const std::string_view line = std::string_view(text).substr(start, end == std::string::npos ? end : end - start);
      if (!line.empty()) out_.append(indent, ' ').append(line);
      out_ += "\n";
      if (end == std::string::npos) break;
      start = end + 1;
    }
  }

  std::string out_;
};

/// yaml-cpp 0.7 takes a token that can start no node (",") for an empty document without consuming it, and so finds
/// documents without end. Two documents that start at the same place are the sign of that.
class ProgressGuard : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (mark.pos == last_start_) throw YAML::ParserException(mark, "unexpected character");
    last_start_ = mark.pos;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  int last_start_ = -1;
};

/// Throws YAML::ParserException where LoadAll would never end.
void require_progress(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  ProgressGuard guard;
  while (parser.HandleNextDocument(guard)) {
  }
}

}  // namespace

std::vector<YamlDocument> parse_yaml(std::string_view text, const std::string& name) {
  std::vector<YamlDocument> documents;
  try {
    Converter converter(name);
    require_progress(std::string(text));
    for (const YAML::Node& root : YAML::LoadAll(std::string(text))) {
      if (!root.IsNull()) documents.push_back(converter.convert(root));
    }
  } catch (const YAML::Exception& error) {
    fail(name, error.mark.is_null() ? YAML::Mark() : error.mark, error.msg);
  }
  return documents;
}

std::string emit_yaml(const Json& value) { return Emitter().emit(value); }

}  // namespace gpuinfer
