// The operators of templates, with Python's meaning.
#pragma once

#include <cstdint>

#include "runtime/text/jinja/syntax.hpp"
#include "runtime/text/jinja/value.hpp"

namespace gpuinfer::text::jinja {

/// Throw Error for kinds that Python would refuse, for undefined values, and for numbers beyond 64 bits.
Value compute(Arithmetic operation, const Value& left, const Value& right);
Value negate(const Value& operand);
bool compare(Comparison comparison, const Value& left, const Value& right);

/// object[key], or object.key: undefined where it is not there.
Value subscript(const Value& object, const Value& key);

/// object[begin:end:step] of a list or a string, in items or characters; null for what is left out.
Value slice(const Value& object, const Value* begin, const Value* end, const Value* step);

}  // namespace gpuinfer::text::jinja
