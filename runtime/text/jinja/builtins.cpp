#include "runtime/text/jinja/builtins.hpp"

#include <algorithm>
#include <iterator>

#include "base/error.hpp"
#include "runtime/text/jinja/methods.hpp"
#include "runtime/text/jinja/operators.hpp"
#include "runtime/text/utf8.hpp"

namespace gpuinfer::text::jinja {
namespace {

// ---- filters

/// A filter that is also a method.
Value call(std::string_view method, const Value& object, const Arguments& arguments) {
  return find_method(method)(object, arguments);
}

Value trim(const Value& input, const Arguments& arguments) { return call("strip", input.str(), arguments); }
Value upper(const Value& input, const Arguments& arguments) { return call("upper", input.str(), arguments); }
Value lower(const Value& input, const Arguments& arguments) { return call("lower", input.str(), arguments); }

Value items(const Value& input, const Arguments& arguments) {
  return input.is_undefined() ? Value(List()) : call("items", input, arguments);
}

Value length(const Value& input, const Arguments& arguments) {
  expect_arguments(arguments, "length", 0);
  if (const MarkedText* text = input.text()) return static_cast<std::int64_t>(count_characters(text->str()));
  if (input.list()) return static_cast<std::int64_t>(input.list()->size());
  if (input.dict()) return static_cast<std::int64_t>(input.dict()->size());
  if (input.is_undefined()) return std::int64_t{0};
  wrong_kind("length", input);
}

Value default_value(const Value& input, const Arguments& arguments) {
  expect_arguments(arguments, "default", 2, {"default_value", "boolean"});
  const Value* otherwise = argument(arguments, 0, "default_value");
  const Value* boolean = argument(arguments, 1, "boolean");
  const bool use_default = input.is_undefined() || (boolean && boolean->truth() && !input.truth());
  if (!use_default) return input;
  return otherwise ? *otherwise : Value(MarkedText());
}

Value join(const Value& input, const Arguments& arguments) {
  expect_arguments(arguments, "join", 1, {"d"});
  const Value* separator = argument(arguments, 0, "d");
  MarkedText text;
  bool first = true;
  for (const Value& item : items_of(input)) {
    if (!first && separator) text.append(separator->str());
    first = false;
    text.append(item.str());
  }
  return text;
}

/// As transformers defines it (chat_template_utils.py): nothing is escaped for HTML.
Value tojson(const Value& input, const Arguments& arguments) {
  expect_arguments(arguments, "tojson", 0, {"indent", "ensure_ascii"});
  const Value* ensure_ascii = argument(arguments, 0, "ensure_ascii");
  if (ensure_ascii && ensure_ascii->truth()) throw Error("tojson(ensure_ascii=true) is not supported");
  const Value* indent = argument(arguments, 0, "indent");
  const bool is_compact = !indent || indent->is_none();
  if (!is_compact && !(indent->is_integer() && indent->integer() >= 0 && indent->integer() <= 16)) {
    throw Error("the indent of tojson is not a number from 0 to 16");
  }
  return MarkedText(input.json(is_compact ? -1 : static_cast<int>(indent->integer())), Origin::kUser);
}

Value string(const Value& input, const Arguments& arguments) {
  expect_arguments(arguments, "string", 0);
  return input.str();
}

Value list(const Value& input, const Arguments& arguments) {
  expect_arguments(arguments, "list", 0);
  return items_of(input);
}

Value first(const Value& input, const Arguments& arguments) {
  expect_arguments(arguments, "first", 0);
  const List all = items_of(input);
  return all.empty() ? Undefined{"first of nothing"} : all.front();
}

Value last(const Value& input, const Arguments& arguments) {
  expect_arguments(arguments, "last", 0);
  const List all = items_of(input);
  return all.empty() ? Undefined{"last of nothing"} : all.back();
}

/// The items for which the test named by the first argument holds (`wanted`) or does not; without a name, the item's
/// truth decides.
Value filter_items(const Value& input, const Arguments& arguments, bool wanted) {
  expect_arguments(arguments, "select and reject", 2);
  const Test* test = nullptr;
  if (!arguments.positional.empty()) {
    const std::string name = arguments.positional[0].str().str();
    test = find_test(name);
    if (!test) throw Error("the test '" + name + "' is not supported; these are: " + test_names());
    if (test->takes_argument != (arguments.positional.size() == 2)) {
      throw Error("the test '" + name + "' " + (test->takes_argument ? "needs an argument" : "takes no argument"));
    }
  }
  List kept;
  for (const Value& item : items_of(input)) {
    const Value* argument = test && test->takes_argument ? &arguments.positional[1] : nullptr;
    if ((test ? test->holds(item, argument) : item.truth()) == wanted) kept.push_back(item);
  }
  return kept;
}

Value select(const Value& input, const Arguments& arguments) { return filter_items(input, arguments, true); }
Value reject(const Value& input, const Arguments& arguments) { return filter_items(input, arguments, false); }

/// Of each item its attribute; of maps by a filter, which Jinja knows too, no template has been seen.
Value map(const Value& input, const Arguments& arguments) {
  expect_arguments(arguments, "map", 0, {"attribute"});
  const Value* attribute = argument(arguments, 0, "attribute");
  if (!attribute || !attribute->text()) throw Error("map() needs an attribute");
  List attributes;
  for (const Value& item : items_of(input)) attributes.push_back(subscript(item, *attribute));
  return attributes;
}

/// select and reject by an attribute of each item, which is the first argument.
Value filter_by_attribute(const Value& input, const Arguments& arguments, bool wanted) {
  if (arguments.positional.empty()) throw Error("selectattr and rejectattr need an attribute");
  const Arguments test{{arguments.positional.begin() + 1, arguments.positional.end()}, arguments.keyword};
  List kept;
  for (const Value& item : items_of(input)) {
    const Value passes = filter_items(List{subscript(item, arguments.positional[0])}, test, wanted);
    if (passes.truth()) kept.push_back(item);
  }
  return kept;
}

Value selectattr(const Value& input, const Arguments& arguments) { return filter_by_attribute(input, arguments, true); }
Value rejectattr(const Value& input, const Arguments& arguments) {
  return filter_by_attribute(input, arguments, false);
}

Value replace_in(const Value& input, const Arguments& arguments) {
  expect_arguments(arguments, "replace", 2);
  if (arguments.positional.size() != 2) throw Error("replace needs two arguments");
  return replace(input.str(), arguments.positional[0].str().str(), arguments.positional[1].str());
}

/// Nothing is escaped for HTML, so that everything is safe.
Value safe(const Value& input, const Arguments& arguments) {
  expect_arguments(arguments, "safe", 0);
  return input.str();
}

struct NamedFilter {
  std::string_view name;
  Filter filter;
};

constexpr NamedFilter kFilters[] = {
    {"count", length},
    {"d", default_value},
    {"default", default_value},
    {"first", first},
    {"items", items},
    {"join", join},
    {"last", last},
    {"length", length},
    {"list", list},
    {"lower", lower},
    {"map", map},
    {"reject", reject},
    {"rejectattr", rejectattr},
    {"replace", replace_in},
    {"safe", safe},
    {"select", select},
    {"selectattr", selectattr},
    {"string", string},
    {"tojson", tojson},
    {"trim", trim},
    {"upper", upper},
};

// ---- tests

bool is_equal_to(const Value& value, const Value* other) { return value == *other; }

bool is_iterable(const Value& value, const Value*) {
  return value.text() || value.list() || value.dict() || value.is_undefined();
}

constexpr Test kTests[] = {
    {"boolean", [](const Value& value, const Value*) { return value.is_boolean(); }},
    {"defined", [](const Value& value, const Value*) { return !value.is_undefined(); }},
    {"eq", is_equal_to, true},
    {"equalto", is_equal_to, true},
    {"false", [](const Value& value, const Value*) { return value.is_boolean() && !value.truth(); }},
    {"float", [](const Value& value, const Value*) { return value.is_real(); }},
    {"in", [](const Value& value, const Value* haystack) { return contains(*haystack, value); }, true},
    {"integer", [](const Value& value, const Value*) { return value.is_integer(); }},
    {"iterable", is_iterable},
    {"mapping", [](const Value& value, const Value*) { return value.dict() != nullptr; }},
    {"none", [](const Value& value, const Value*) { return value.is_none(); }},
    {"number", [](const Value& value, const Value*) { return value.is_number(); }},
    {"sequence", is_iterable},
    {"string", [](const Value& value, const Value*) { return value.text() != nullptr; }},
    {"true", [](const Value& value, const Value*) { return value.is_boolean() && value.truth(); }},
    {"undefined", [](const Value& value, const Value*) { return value.is_undefined(); }},
};

/// The entry of that name, or null.
template <class Entry, std::size_t N>
const Entry* find_in(const Entry (&table)[N], std::string_view name) {
  const Entry* found =
      std::find_if(std::begin(table), std::end(table), [&](const Entry& entry) { return entry.name == name; });
  return found == std::end(table) ? nullptr : found;
}

template <class Entry, std::size_t N>
std::string names_of(const Entry (&table)[N]) {
  std::string names;
  for (const Entry& entry : table) (names += names.empty() ? "" : ", ") += entry.name;
  return names;
}

}  // namespace

Filter find_filter(std::string_view name) {
  const NamedFilter* found = find_in(kFilters, name);
  return found ? found->filter : nullptr;
}

const Test* find_test(std::string_view name) { return find_in(kTests, name); }
std::string filter_names() { return names_of(kFilters); }
std::string test_names() { return names_of(kTests); }

bool contains(const Value& haystack, const Value& needle) {
  if (const MarkedText* text = haystack.text()) {
    if (!needle.text()) wrong_kind("'in' a string", needle);
    return text->str().find(needle.text()->str()) != std::string::npos;
  }
  const List items = items_of(haystack);
  return std::find(items.begin(), items.end(), needle) != items.end();
}

List items_of(const Value& value) {
  List items;
  if (const List* list = value.list()) return *list;
  if (const Dict* dict = value.dict()) {
    for (const auto& entry : *dict) items.push_back(entry.first);
  } else if (const MarkedText* text = value.text()) {
    for (std::size_t at = 0; at < text->size();) {
      const std::size_t length = first_character(std::string_view(text->str()).substr(at)).length;
      items.push_back(text->slice(at, at + length));
      at += length;
    }
  } else if (!value.is_undefined()) {
    throw Error("a " + std::string(value.kind()) + " has no items");
  }
  return items;
}

}  // namespace gpuinfer::text::jinja
