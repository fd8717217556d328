#include "runtime/text/jinja/methods.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/error.hpp"
#include "runtime/text/utf8.hpp"

namespace gpuinfer::text::jinja {
namespace {

const MarkedText& text_of(std::string_view method, const Value& object) {
  if (!object.text()) wrong_kind(method, object);
  return *object.text();
}

const Dict& dict_of(std::string_view method, const Value& object) {
  if (!object.dict()) wrong_kind(method, object);
  return *object.dict();
}

/// The only argument, which is a string.
std::string_view only_text(std::string_view method, const Arguments& arguments) {
  expect_arguments(arguments, method, 1);
  if (arguments.positional.empty()) throw Error(std::string(method) + "() needs an argument");
  return text_of(method, arguments.positional[0]).str();
}

Value startswith(const Value& object, const Arguments& arguments) {
  return text_of("startswith", object).str().starts_with(only_text("startswith", arguments));
}

Value endswith(const Value& object, const Arguments& arguments) {
  return text_of("endswith", object).str().ends_with(only_text("endswith", arguments));
}

/// Bytes at the beginning of `text` that belong to characters of `set`.
std::size_t leading_length(std::string_view text, std::string_view set) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = first_character(text.substr(at)).length;
    if (set.find(text.substr(at, length)) == std::string_view::npos) break;
    at += length;
  }
  return at;
}

/// The length of `text` without the characters of `set` at its end.
std::size_t length_without_trailing(std::string_view text, std::string_view set) {
  std::size_t kept = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = first_character(text.substr(at)).length;
    if (set.find(text.substr(at, length)) == std::string_view::npos) kept = at + length;
    at += length;
  }
  return kept;
}

/// Without an argument, or with None, white space is stripped.
Value strip_sides(std::string_view method, const Value& object, const Arguments& arguments, bool left, bool right) {
  expect_arguments(arguments, method, 1);
  const MarkedText& text = text_of(method, object);
  const bool has_set = !arguments.positional.empty() && !arguments.positional[0].is_none();
  std::size_t begin = 0;
  std::size_t end = text.size();
  if (has_set) {
    const std::string& set = text_of(method, arguments.positional[0]).str();
    if (right) end = length_without_trailing(text.str(), set);
    if (left) begin = leading_length(text.str(), set);
  } else {
    if (right) end = length_without_trailing_space(text.str());
    if (left) begin = leading_space_length(text.str());
  }
  return text.slice(std::min(begin, end), end);
}

Value strip(const Value& object, const Arguments& arguments) {
  return strip_sides("strip", object, arguments, true, true);
}
Value lstrip(const Value& object, const Arguments& arguments) {
  return strip_sides("lstrip", object, arguments, true, false);
}
Value rstrip(const Value& object, const Arguments& arguments) {
  return strip_sides("rstrip", object, arguments, false, true);
}

List split_at(const MarkedText& text, std::string_view separator, std::size_t most) {
  List parts;
  std::size_t begin = 0;
  while (parts.size() < most) {
    const std::size_t end = text.str().find(separator, begin);
    if (end == std::string::npos) break;
    parts.push_back(text.slice(begin, end));
    begin = end + separator.size();
  }
  parts.push_back(text.slice(begin, text.size()));
  return parts;
}

/// Words between white space.
List split_words(const MarkedText& text) {
  List words;
  const std::string_view all = text.str();
  for (std::size_t at = leading_space_length(all); at < all.size(); at += leading_space_length(all.substr(at))) {
    const std::size_t begin = at;
    while (at < all.size() && leading_space_length(all.substr(at)) == 0) at += first_character(all.substr(at)).length;
    words.push_back(text.slice(begin, at));
  }
  return words;
}

Value split(const Value& object, const Arguments& arguments) {
  expect_arguments(arguments, "split", 2, {"sep", "maxsplit"});
  const MarkedText& text = text_of("split", object);
  const Value* separator = argument(arguments, 0, "sep");
  const Value* most = argument(arguments, 1, "maxsplit");
  if (most && !most->is_integer()) wrong_kind("the maxsplit of split()", *most);
  const bool limited = most && most->integer() >= 0;
  if (!separator || separator->is_none()) {
    if (limited) throw Error("split() with a maxsplit but no separator is not supported");
    return split_words(text);
  }
  const std::string& at = text_of("split", *separator).str();
  if (at.empty()) throw Error("split() at an empty separator");
  return split_at(text, at,
                  limited ? static_cast<std::size_t>(most->integer()) : std::numeric_limits<std::size_t>::max());
}

Value replace_all(const Value& object, const Arguments& arguments) {
  expect_arguments(arguments, "replace", 2);
  if (arguments.positional.size() != 2) throw Error("replace() needs two arguments");
  return replace(text_of("replace", object), text_of("replace", arguments.positional[0]).str(),
                 text_of("replace", arguments.positional[1]));
}

// ASCII letters only: templates change the case of roles and of names in schemas.
Value upper(const Value& object, const Arguments& arguments) {
  expect_arguments(arguments, "upper", 0);
  return text_of("upper", object).map_bytes([](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
}

Value lower(const Value& object, const Arguments& arguments) {
  expect_arguments(arguments, "lower", 0);
  return text_of("lower", object).map_bytes([](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
}

Value get(const Value& object, const Arguments& arguments) {
  expect_arguments(arguments, "get", 2);
  if (arguments.positional.empty()) throw Error("get() needs an argument");
  const Value* found =
      arguments.positional[0].text() ? find(dict_of("get", object), arguments.positional[0].text()->str()) : nullptr;
  if (found) return *found;
  return arguments.positional.size() == 2 ? arguments.positional[1] : Value(None{});
}

Value items(const Value& object, const Arguments& arguments) {
  expect_arguments(arguments, "items", 0);
  List pairs;
  for (const auto& [key, value] : dict_of("items", object)) pairs.push_back(List{key, value});
  return pairs;
}

Value keys(const Value& object, const Arguments& arguments) {
  expect_arguments(arguments, "keys", 0);
  List all;
  for (const auto& entry : dict_of("keys", object)) all.push_back(entry.first);
  return all;
}

Value values(const Value& object, const Arguments& arguments) {
  expect_arguments(arguments, "values", 0);
  List all;
  for (const auto& entry : dict_of("values", object)) all.push_back(entry.second);
  return all;
}

struct NamedMethod {
  std::string_view name;
  Method method;
};

constexpr NamedMethod kMethods[] = {
    {"endswith", endswith},   {"get", get},
    {"items", items},         {"keys", keys},
    {"lower", lower},         {"lstrip", lstrip},
    {"replace", replace_all}, {"rstrip", rstrip},
    {"split", split},         {"startswith", startswith},
    {"strip", strip},         {"upper", upper},
    {"values", values},
};

}  // namespace

Method find_method(std::string_view name) {
  const auto* found = std::find_if(std::begin(kMethods), std::end(kMethods),
                                   [&](const NamedMethod& entry) { return entry.name == name; });
  return found == std::end(kMethods) ? nullptr : found->method;
}

std::string method_names() {
  std::string names;
  for (const NamedMethod& entry : kMethods) (names += names.empty() ? "" : ", ") += entry.name;
  return names;
}

MarkedText replace(const MarkedText& text, std::string_view from, const MarkedText& to) {
  if (from.empty()) throw Error("replacing an empty text is not supported");
  MarkedText result;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.str().find(from, begin)) != std::string::npos; begin = end + from.size()) {
    result.append(text.slice(begin, end));
    result.append(to);
  }
  result.append(text.slice(begin, text.size()));
  return result;
}

}  // namespace gpuinfer::text::jinja
