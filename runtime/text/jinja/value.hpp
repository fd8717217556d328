// The values of a template: Python's, as far as chat templates meet them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.hpp"
#include "runtime/text/marked_text.hpp"

namespace gpuinfer::text::jinja {

/// What a name, attribute or item that is not there gives. Using it fails with `why`; asking whether it is there, or
/// printing it, does not.
struct Undefined {
  std::string why;
};

struct None {};

/// A namespace(), the only thing of a template that can change: the renderer keeps its attributes at this index.
struct Namespace {
  std::size_t index;
};

class Value;
using List = std::vector<Value>;
/// In the order in which the keys were written.
using Dict = std::vector<std::pair<MarkedText, Value>>;

/// Immutable; copies are cheap.
class Value {
 public:
  using Text = std::shared_ptr<const MarkedText>;
  using ListPointer = std::shared_ptr<const List>;
  using DictPointer = std::shared_ptr<const Dict>;

  Value() : Value(None{}) {}
  Value(Undefined undefined) : value_(std::move(undefined)) {}
  Value(None none) : value_(none) {}
  Value(Namespace reference) : value_(reference) {}
  Value(bool boolean) : value_(boolean) {}
  Value(std::int64_t integer) : value_(integer) {}
  Value(double real) : value_(real) {}
  Value(MarkedText text) : value_(std::make_shared<const MarkedText>(std::move(text))) {}
  Value(List list) : value_(std::make_shared<const List>(std::move(list))) {}
  Value(Dict dict) : value_(std::make_shared<const Dict>(std::move(dict))) {}
  Value(const void*) = delete;  // a pointer would become a bool

  /// `json` with `origin` for all of its strings. Throws Error where it is nested too deeply.
  static Value from_json(const Json& json, Origin origin);

  bool is_undefined() const { return std::holds_alternative<Undefined>(value_); }
  bool is_none() const { return std::holds_alternative<None>(value_); }
  bool is_boolean() const { return std::holds_alternative<bool>(value_); }
  /// Not a boolean, unlike in Python.
  bool is_integer() const { return std::holds_alternative<std::int64_t>(value_); }
  bool is_real() const { return std::holds_alternative<double>(value_); }

  /// Null where the value is of another kind.
  const Namespace* name_space() const { return std::get_if<Namespace>(&value_); }
  const MarkedText* text() const { return get(std::get_if<Text>(&value_)); }
  const List* list() const { return get(std::get_if<ListPointer>(&value_)); }
  const Dict* dict() const { return get(std::get_if<DictPointer>(&value_)); }

  /// The integer; only where is_integer().
  std::int64_t integer() const { return std::get<std::int64_t>(value_); }
  /// A number or a boolean as Python computes with it; only where is_number().
  double number() const;
  /// An integer, a real number or a boolean.
  bool is_number() const { return is_integer() || is_real() || is_boolean(); }
  /// An integer or a boolean.
  bool is_integral() const { return is_integer() || is_boolean(); }

  /// Python's bool().
  bool truth() const;

  /// Python's str(): what printing writes. Strings keep their origins; lists and dicts count as the user's.
  MarkedText str() const;

  /// json.dumps(ensure_ascii=False) with its separators; on several lines where `indent` is not negative. Throws Error
  /// for what is not JSON.
  std::string json(int indent) const;

  /// What messages call the kind: "string", "list", ...
  std::string_view kind() const;

  /// Throws Error where the value is undefined.
  const Value& defined() const;

 private:
  template <class T>
  static const T* get(const std::shared_ptr<const T>* pointer) {
    return pointer ? pointer->get() : nullptr;
  }

  void append_repr(std::string& text) const;
  void append_json(std::string& text, int indent, int level) const;

  std::variant<Undefined, None, bool, std::int64_t, double, Text, ListPointer, DictPointer, Namespace> value_;
};

/// Python's ==.
bool operator==(const Value& a, const Value& b);

/// The value of a key, or null.
const Value* find(const Dict& dict, std::string_view key);

}  // namespace gpuinfer::text::jinja
