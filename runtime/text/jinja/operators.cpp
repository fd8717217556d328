#include "runtime/text/jinja/operators.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>

#include "base/error.hpp"
#include "runtime/text/jinja/builtins.hpp"
#include "runtime/text/utf8.hpp"

namespace gpuinfer::text::jinja {
namespace {

constexpr std::string_view kArithmeticNames[] = {"+", "-", "*", "//", "%", "~"};

[[noreturn]] void cannot_compute(std::string_view operation, const Value& left, const Value& right) {
  left.defined();
  right.defined();
  throw Error("'" + std::string(operation) + "' of a " + std::string(left.kind()) + " and a " +
              std::string(right.kind()));
}

std::int64_t as_integer(const Value& value) { return value.is_boolean() ? value.truth() : value.integer(); }

Value compute_integers(Arithmetic operation, std::int64_t left, std::int64_t right) {
  std::int64_t result = 0;
  bool overflows = false;
  switch (operation) {
    case Arithmetic::kAdd:
      overflows = __builtin_add_overflow(left, right, &result);
      break;
    case Arithmetic::kSubtract:
      overflows = __builtin_sub_overflow(left, right, &result);
      break;
    case Arithmetic::kMultiply:
      overflows = __builtin_mul_overflow(left, right, &result);
      break;
    default: {
      if (right == 0) throw Error("division by zero");
      if (right == -1) return operation == Arithmetic::kModulo ? Value(std::int64_t{0}) : negate(left);
      // Python rounds towards minus infinity, C++ towards zero.
      const std::int64_t remainder = left % right;
      const bool rounds_down = remainder != 0 && (remainder < 0) != (right < 0);
      if (operation == Arithmetic::kModulo) return rounds_down ? remainder + right : remainder;
      return left / right - (rounds_down ? 1 : 0);
    }
  }
  if (overflows) throw Error("a number beyond 64 bits");
  return result;
}

Value compute_reals(Arithmetic operation, double left, double right) {
  switch (operation) {
    case Arithmetic::kAdd:
      return left + right;
    case Arithmetic::kSubtract:
      return left - right;
    case Arithmetic::kMultiply:
      return left * right;
    default: {
      if (right == 0) throw Error("division by zero");
      const double quotient = std::floor(left / right);
      return operation == Arithmetic::kModulo ? left - quotient * right : quotient;
    }
  }
}

MarkedText concatenate(const MarkedText& left, const MarkedText& right) {
  MarkedText text = left;
  text.append(right);
  return text;
}

/// -1, 0 or 1.
int order(std::string_view operation, const Value& left, const Value& right) {
  if (left.is_number() && right.is_number()) {
    if (left.is_integral() && right.is_integral()) {
      return (as_integer(left) > as_integer(right)) - (as_integer(left) < as_integer(right));
    }
    return (left.number() > right.number()) - (left.number() < right.number());
  }
  if (!left.text() || !right.text()) cannot_compute(operation, left, right);
  const int result = left.text()->str().compare(right.text()->str());  // UTF-8 sorts as its characters do
  return (result > 0) - (result < 0);
}

/// Python's reading of a bound of a slice of `size` items, between `lowest` and `highest`.
std::int64_t bound(const Value* value, std::int64_t otherwise, std::int64_t size, std::int64_t lowest,
                   std::int64_t highest) {
  if (!value || value->is_none()) return otherwise;
  if (!value->is_integral()) throw Error("a slice with a bound that is a " + std::string(value->defined().kind()));
  const std::int64_t index = as_integer(*value);
  return std::clamp<std::int64_t>(index < 0 ? index + size : index, lowest, highest);
}

/// The indices of a slice of `size` items.
std::vector<std::size_t> slice_indices(std::int64_t size, const Value* begin, const Value* end, std::int64_t step) {
  const bool forward = step > 0;
  const std::int64_t lowest = forward ? 0 : -1;
  const std::int64_t highest = forward ? size : size - 1;
  const std::int64_t from = bound(begin, forward ? lowest : highest, size, lowest, highest);
  const std::int64_t to = bound(end, forward ? highest : lowest, size, lowest, highest);
  std::vector<std::size_t> indices;
  // A step may be as large as a number can be: the distance is compared, not the sum.
  for (std::int64_t i = from; forward ? i < to : i > to; i += step) {
    indices.push_back(static_cast<std::size_t>(i));
    if (forward ? step >= to - i : step <= to - i) break;
  }
  return indices;
}

std::int64_t step_of(const Value* step) {
  if (!step || step->is_none()) return 1;
  if (!step->is_integral()) throw Error("a slice with a step that is a " + std::string(step->defined().kind()));
  if (as_integer(*step) == 0) throw Error("a slice with a step of zero");
  return as_integer(*step);
}

/// The byte at which character `index` begins.
std::size_t byte_of_character(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  for (; index > 0; --index) at += first_character(text.substr(at)).length;
  return at;
}

MarkedText slice_characters(const MarkedText& text, std::size_t begin, std::size_t end) {
  return text.slice(byte_of_character(text.str(), begin), byte_of_character(text.str(), end));
}

}  // namespace

Value compute(Arithmetic operation, const Value& left, const Value& right) {
  if (operation == Arithmetic::kConcatenate) return concatenate(left.str(), right.str());
  if (left.is_integral() && right.is_integral())
    return compute_integers(operation, as_integer(left), as_integer(right));
  if (left.is_number() && right.is_number()) return compute_reals(operation, left.number(), right.number());
  if (operation == Arithmetic::kAdd && left.text() && right.text()) return concatenate(*left.text(), *right.text());
  if (operation == Arithmetic::kAdd && left.list() && right.list()) {
    List list = *left.list();
    list.insert(list.end(), right.list()->begin(), right.list()->end());
    return list;
  }
  cannot_compute(kArithmeticNames[static_cast<std::size_t>(operation)], left, right);
}

Value negate(const Value& operand) {
  if (operand.is_integral()) return compute_integers(Arithmetic::kSubtract, 0, as_integer(operand));
  if (operand.is_real()) return -operand.number();
  throw Error("the negative of a " + std::string(operand.defined().kind()));
}

bool compare(Comparison comparison, const Value& left, const Value& right) {
  switch (comparison) {
    case Comparison::kEqual:
      return left == right;
    case Comparison::kNotEqual:
      return !(left == right);
    case Comparison::kLess:
      return order("<", left, right) < 0;
    case Comparison::kLessOrEqual:
      return order("<=", left, right) <= 0;
    case Comparison::kGreater:
      return order(">", left, right) > 0;
    case Comparison::kGreaterOrEqual:
      return order(">=", left, right) >= 0;
    case Comparison::kIn:
      return contains(right, left);
    case Comparison::kNotIn:
      return !contains(right, left);
  }
  return false;
}

Value subscript(const Value& object, const Value& key) {
  object.defined();
  if (const Dict* dict = object.dict(); dict && key.text()) {
    if (const Value* value = find(*dict, key.text()->str())) return *value;
  }
  if (key.is_integral() && (object.list() || object.text())) {
    const std::size_t size = object.list() ? object.list()->size() : count_characters(object.text()->str());
    const std::int64_t index = as_integer(key) + (as_integer(key) < 0 ? static_cast<std::int64_t>(size) : 0);
    if (index >= 0 && index < static_cast<std::int64_t>(size)) {
      const auto at = static_cast<std::size_t>(index);
      return object.list() ? (*object.list())[at] : Value(slice_characters(*object.text(), at, at + 1));
    }
  }
  return Undefined{"the " + std::string(object.kind()) + " has no item '" + key.str().str() + "'"};
}

Value slice(const Value& object, const Value* begin, const Value* end, const Value* step) {
  object.defined();
  const List* list = object.list();
  if (!list && !object.text()) throw Error("a slice of a " + std::string(object.kind()));
  const auto size = static_cast<std::int64_t>(list ? list->size() : count_characters(object.text()->str()));
  const std::vector<std::size_t> indices = slice_indices(size, begin, end, step_of(step));
  if (list) {
    List part;
    for (const std::size_t index : indices) part.push_back((*list)[index]);
    return part;
  }
  if (indices.empty()) return MarkedText();
  if (step_of(step) == 1) return slice_characters(*object.text(), indices.front(), indices.back() + 1);
  const List characters = items_of(object);
  MarkedText part;
  for (const std::size_t index : indices) part.append(*characters[index].text());
  return part;
}

}  // namespace gpuinfer::text::jinja
