#include "runtime/text/jinja/value.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace gpuinfer::text::jinja {
namespace {

constexpr int kMaxJsonDepth = 100;

Value from_json_at(const Json& json, Origin origin, int depth) {
  if (depth > kMaxJsonDepth) {
    throw Error("the messages are nested more than " + std::to_string(kMaxJsonDepth) + " levels deep");
  }
  switch (json.type()) {
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > INT64_MAX) return json.get<double>();
      return json.get<std::int64_t>();
    case Json::value_t::number_integer:
      return json.get<std::int64_t>();
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      return MarkedText(json.get_ref<const std::string&>(), origin);
    case Json::value_t::array: {
      List list;
      for (const Json& item : json) list.push_back(from_json_at(item, origin, depth + 1));
      return list;
    }
    case Json::value_t::object: {
      Dict dict;
      for (const auto& [key, item] : json.items()) {
        dict.emplace_back(MarkedText(key, origin), from_json_at(item, origin, depth + 1));
      }
      return dict;
    }
    default:
      return None{};
  }
}

/// As Python writes a float; nlohmann's shortest form switches to exponents where Python's does.
std::string format(double real) { return Json(real).dump(); }

/// Python's repr() of a string: single quotes, unless only double quotes need no escape.
void append_quoted(std::string& out, const std::string& text) {
  const bool has_single = text.find('\'') != std::string::npos;
  const char quote = has_single && text.find('"') == std::string::npos ? '"' : '\'';
  constexpr const char* kHex = "0123456789abcdef";
  out += quote;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (byte < 0x20 || byte == 0x7F)
      ((out += "\\x") += kHex[byte >> 4]) += kHex[byte & 15];
    else
      out += c;
  }
  out += quote;
}

}  // namespace

Value Value::from_json(const Json& json, Origin origin) { return from_json_at(json, origin, 0); }

double Value::number() const {
  if (const bool* boolean = std::get_if<bool>(&value_)) return *boolean ? 1 : 0;
  if (is_integer()) return static_cast<double>(integer());
  return std::get<double>(value_);
}

bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (is_number()) return number() != 0;
  if (const MarkedText* string = text()) return !string->empty();
  if (const List* items = list()) return !items->empty();
  return name_space() || !dict()->empty();
}

MarkedText Value::str() const {
  if (const MarkedText* string = text()) return *string;
  if (is_undefined()) return {};
  std::string text;
  append_repr(text);
  // A number or a constant spells nothing by itself, so it may stand inside a special token that the template puts
  // together.
  const bool is_container = list() || dict();
  return {text, is_container ? Origin::kUser : Origin::kTemplate};
}

void Value::append_repr(std::string& out) const {
  if (is_undefined())
    out += "Undefined";
  else if (is_none())
    out += "None";
  else if (is_boolean())
    out += truth() ? "True" : "False";
  else if (is_integer())
    out += std::to_string(integer());
  else if (is_real())
    out += format(number());
  else if (const MarkedText* string = text())
    append_quoted(out, string->str());
  else if (name_space())
    out += "<Namespace>";
  else if (const List* items = list()) {
    out += '[';
    for (const Value& item : *items) {
      if (&item != &items->front()) out += ", ";
      item.append_repr(out);
    }
    out += ']';
  } else {
    out += '{';
    for (const auto& entry : *dict()) {
      if (&entry != &dict()->front()) out += ", ";
      append_quoted(out, entry.first.str());
      out += ": ";
      entry.second.append_repr(out);
    }
    out += '}';
  }
}

std::string Value::json(int indent) const {
  std::string text;
  append_json(text, indent, 0);
  return text;
}

void Value::append_json(std::string& out, int indent, int level) const {
  const auto begin_item = [&](bool first) {
    if (!first) out += indent < 0 ? ", " : ",";
    if (indent >= 0) (out += '\n').append(static_cast<std::size_t>(indent * (level + 1)), ' ');
  };
  const auto end_items = [&](bool empty) {
    if (indent >= 0 && !empty) (out += '\n').append(static_cast<std::size_t>(indent * level), ' ');
  };
  const auto quote = [](const MarkedText& string) { return Json(string.str()).dump(); };

  defined();
  if (name_space()) throw Error("a namespace is not JSON");
  if (is_none())
    out += "null";
  else if (is_boolean())
    out += truth() ? "true" : "false";
  else if (is_integer())
    out += std::to_string(integer());
  else if (is_real())
    out += format(number());
  else if (const MarkedText* string = text())
    out += quote(*string);
  else if (const List* items = list()) {
    out += '[';
    for (const Value& item : *items) {
      begin_item(&item == &items->front());
      item.append_json(out, indent, level + 1);
    }
    end_items(items->empty());
    out += ']';
  } else {
    out += '{';
    for (const auto& entry : *dict()) {
      begin_item(&entry == &dict()->front());
      (out += quote(entry.first)) += ": ";
      entry.second.append_json(out, indent, level + 1);
    }
    end_items(dict()->empty());
    out += '}';
  }
}

std::string_view Value::kind() const {
  constexpr std::string_view kKinds[] = {"undefined value", "None", "boolean", "integer",  "number",
                                         "string",          "list", "dict",    "namespace"};
  return kKinds[value_.index()];
}

const Value& Value::defined() const {
  if (const Undefined* undefined = std::get_if<Undefined>(&value_)) throw Error(undefined->why);
  return *this;
}

bool operator==(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    return a.is_integer() && b.is_integer() ? a.integer() == b.integer() : a.number() == b.number();
  }
  if (a.text() && b.text()) return a.text()->str() == b.text()->str();
  if (a.list() && b.list()) return *a.list() == *b.list();
  if (a.dict() && b.dict()) {
    const Dict& right = *b.dict();
    return a.dict()->size() == right.size() && std::all_of(a.dict()->begin(), a.dict()->end(), [&](const auto& entry) {
             const Value* other = find(right, entry.first.str());
             return other && entry.second == *other;
           });
  }
  if (a.name_space() && b.name_space()) return a.name_space()->index == b.name_space()->index;
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

const Value* find(const Dict& dict, std::string_view key) {
  const auto found =
      std::find_if(dict.begin(), dict.end(), [&](const auto& entry) { return entry.first.str() == key; });
  return found == dict.end() ? nullptr : &found->second;
}

}  // namespace gpuinfer::text::jinja
