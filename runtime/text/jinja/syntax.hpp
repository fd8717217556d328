// A template as a tree.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/text/jinja/builtins.hpp"
#include "runtime/text/jinja/methods.hpp"
#include "runtime/text/jinja/value.hpp"
#include "runtime/text/marked_text.hpp"

namespace gpuinfer::text::jinja {

struct Expression;
using ExpressionPointer = std::unique_ptr<Expression>;

struct CallArguments {
  std::vector<ExpressionPointer> positional;
  std::vector<std::pair<std::string, ExpressionPointer>> keyword;
};

struct Literal {
  Value value;
};

struct Name {
  std::string name;
};

/// [a, b]
struct ListDisplay {
  std::vector<ExpressionPointer> items;
};

/// {"key": value}
struct DictDisplay {
  std::vector<std::pair<ExpressionPointer, ExpressionPointer>> entries;
};

/// object.name, object["name"], object[0]
struct Subscript {
  ExpressionPointer object;
  ExpressionPointer key;
};

/// object[begin:end:step]; each may be null.
struct Slice {
  ExpressionPointer object;
  ExpressionPointer begin;
  ExpressionPointer end;
  ExpressionPointer step;
};

/// -operand, +operand
struct Sign {
  bool negative;
  ExpressionPointer operand;
};

struct Not {
  ExpressionPointer operand;
};

/// and, or
struct Logical {
  bool is_and;
  ExpressionPointer left;
  ExpressionPointer right;
};

enum class Arithmetic { kAdd, kSubtract, kMultiply, kFloorDivide, kModulo, kConcatenate };

struct Binary {
  Arithmetic operation;
  ExpressionPointer left;
  ExpressionPointer right;
};

enum class Comparison { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kIn, kNotIn };

/// first op operand op operand ...: true where every neighbouring pair is.
struct Compare {
  ExpressionPointer first;
  std::vector<std::pair<Comparison, ExpressionPointer>> rest;
};

/// yes if condition else no; `no` may be null.
struct Conditional {
  ExpressionPointer condition;
  ExpressionPointer yes;
  ExpressionPointer no;
};

/// operand | filter(arguments)
struct ApplyFilter {
  ExpressionPointer operand;
  Filter filter;
  CallArguments arguments;
};

/// operand is [not] test(argument); `argument` is null exactly where the test takes none.
struct ApplyTest {
  ExpressionPointer operand;
  const Test* test;
  bool negated;
  ExpressionPointer argument;
};

enum class Function {
  kRaiseException,  ///< raise_exception(message): the template refuses the conversation
  kStrftimeNow,     ///< strftime_now(format): the local date
};

/// function(argument)
struct Call {
  Function function;
  ExpressionPointer argument;
};

/// object.method(arguments)
struct CallMethod {
  ExpressionPointer object;
  Method method;
  CallArguments arguments;
};

/// name(arguments), where the template has a macro of that name.
struct CallMacro {
  std::string name;
  CallArguments arguments;
};

/// namespace(name=value, ...)
struct MakeNamespace {
  CallArguments attributes;
};

struct Expression {
  int line;
  std::variant<Literal, Name, ListDisplay, DictDisplay, Subscript, Slice, Sign, Not, Logical, Binary, Compare,
               Conditional, ApplyFilter, ApplyTest, Call, CallMethod, CallMacro, MakeNamespace>
      node;
};

struct Statement;
using Block = std::vector<Statement>;

/// {{ expression }}
struct Print {
  ExpressionPointer expression;
};

/// The first branch whose condition holds, else `otherwise`.
struct If {
  std::vector<std::pair<ExpressionPointer, Block>> branches;
  Block otherwise;
};

/// Several targets unpack each item. `condition` may be null; `otherwise` is rendered where nothing was left to iterate
/// over.
struct For {
  std::vector<std::string> targets;
  ExpressionPointer iterable;
  ExpressionPointer condition;
  Block body;
  Block otherwise;
};

struct Set {
  std::string name;
  ExpressionPointer value;
};

/// name.attribute = value, of a namespace.
struct SetAttribute {
  std::string name;
  std::string attribute;
  ExpressionPointer value;
};

/// What the body renders becomes the variable.
struct SetBlock {
  std::string name;
  Block body;
};

struct Macro {
  struct Parameter {
    std::string name;
    ExpressionPointer otherwise;  ///< null: undefined where the call leaves it out
  };
  std::string name;
  std::vector<Parameter> parameters;
  Block body;
};

struct Statement {
  std::variant<MarkedText, Print, If, For, Set, SetAttribute, SetBlock, Macro> node;
};

}  // namespace gpuinfer::text::jinja
