#include "runtime/text/jinja/renderer.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "runtime/text/jinja/builtins.hpp"
#include "runtime/text/jinja/operators.hpp"

namespace gpuinfer::text::jinja {
namespace {

/// What one conversation may cost, in bytes of text made. A chat of a million tokens costs less than a fifth; a hostile
/// template would go on for ever.
constexpr std::size_t kMaxCost = 128 << 20;

/// A step of the interpreter, and an iteration of a loop with its variables, take about as long as making so many
/// bytes.
constexpr std::size_t kStepCost = 100;
constexpr std::size_t kIterationCost = 2000;

constexpr std::pair<std::string_view, Function> kFunctions[] = {{"raise_exception", Function::kRaiseException},
                                                                {"strftime_now", Function::kStrftimeNow}};

/// The template's own raise_exception(): its message says all.
struct Raised {
  std::string message;
};

/// How many blocks and expressions may be at work at once, macros that call each other included.
constexpr int kMaxDepth = 1500;

class Renderer {
 public:
  Renderer(const std::map<std::string, Value>& variables, std::time_t now) : scopes_{variables}, now_(now) {}

  MarkedText run(const Block& block) {
    try {
      render(block);
    } catch (const Raised& raised) {
      throw Error("the model's chat template refuses this conversation: " + raised.message,
                  "Change the messages' roles, order or content to what the model expects.");
    } catch (const Error& error) {
      throw Error("the model's chat template cannot render this conversation (line " + std::to_string(line_) + ": " +
                      error.what() + ")",
                  "Check that each message has what the template asks for.");
    }
    return std::move(output_);
  }

 private:
  using Scope = std::map<std::string, Value>;

  /// Counts a level of the interpreter for as long as it lives.
  class Level {
   public:
    explicit Level(int& depth) : depth_(depth) {
      if (++depth_ > kMaxDepth) {
        --depth_;
        throw Error("nested too deeply");
      }
    }
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int& depth_;
  };

  void charge(std::size_t cost) {
    cost_ += cost;
    if (cost_ > kMaxCost) throw Error("it asks for too much work");
  }

  void write(const MarkedText& text) {
    charge(text.size());
    output_.append(text);
  }

  // ---- statements

  void render(const Block& block) {
    const Level level(depth_);
    for (const Statement& statement : block) {
      charge(kStepCost);
      std::visit([this](const auto& node) { render(node); }, statement.node);
    }
  }

  void render(const MarkedText& text) { write(text); }

  void render(const Print& print) { write(evaluate(*print.expression).str()); }

  void render(const If& statement) {
    for (const auto& [condition, block] : statement.branches) {
      if (evaluate(*condition).truth()) return render(block);
    }
    render(statement.otherwise);
  }

  void render(const Set& set) { scopes_.back()[set.name] = evaluate(*set.value); }

  void render(const SetAttribute& set) {
    const Value object = lookup(set.name);
    if (!object.name_space()) throw Error("'" + set.name + "' is no namespace whose attributes can be set");
    namespaces_[object.name_space()->index][set.attribute] = evaluate(*set.value);
  }

  void render(const SetBlock& set) { scopes_.back()[set.name] = captured(set.body); }

  void render(const Macro& macro) { macros_[macro.name] = &macro; }

  /// What `block` writes, as a value.
  MarkedText captured(const Block& block) {
    MarkedText outer;
    std::swap(outer, output_);
    render(block);
    std::swap(outer, output_);
    return outer;
  }

  void render(const For& loop) {
    const List items = kept_items(loop);
    for (std::size_t i = 0; i < items.size(); ++i) {
      scopes_.emplace_back();
      assign(loop.targets, items[i]);
      scopes_.back()["loop"] = loop_variable(items, i);
      render(loop.body);
      scopes_.pop_back();
    }
    if (items.empty()) render(loop.otherwise);
  }

  /// The items for which the loop's condition holds.
  List kept_items(const For& loop) {
    List items = items_of(evaluate(*loop.iterable));
    charge(items.size() * kIterationCost);
    if (!loop.condition) return items;
    List kept;
    for (Value& item : items) {
      scopes_.emplace_back();
      assign(loop.targets, item);
      if (evaluate(*loop.condition).truth()) kept.push_back(std::move(item));
      scopes_.pop_back();
    }
    return kept;
  }

  void assign(const std::vector<std::string>& targets, const Value& item) {
    if (targets.size() == 1) {
      scopes_.back()[targets[0]] = item;
      return;
    }
    const List parts = items_of(item);
    if (parts.size() != targets.size()) {
      throw Error(std::to_string(parts.size()) + " values for " + std::to_string(targets.size()) +
                  " variables of a loop");
    }
    for (std::size_t i = 0; i < parts.size(); ++i) scopes_.back()[targets[i]] = parts[i];
  }

  static Value loop_variable(const List& items, std::size_t index) {
    const std::size_t count = items.size();
    const auto number = [](std::size_t n) { return Value(static_cast<std::int64_t>(n)); };
    const auto name = [](const char* text) { return MarkedText(text, Origin::kTemplate); };
    return Dict{{name("index"), number(index + 1)},
                {name("index0"), number(index)},
                {name("revindex"), number(count - index)},
                {name("revindex0"), number(count - index - 1)},
                {name("first"), index == 0},
                {name("last"), index + 1 == count},
                {name("length"), number(count)},
                {name("previtem"), index > 0 ? items[index - 1] : Undefined{"there is no previous item"}},
                {name("nextitem"), index + 1 < count ? items[index + 1] : Undefined{"there is no next item"}}};
  }

  // ---- expressions

  Value evaluate(const Expression& expression) {
    const Level level(depth_);
    charge(kStepCost);
    line_ = expression.line;
    Value value = std::visit([this](const auto& node) { return evaluate(node); }, expression.node);
    line_ = expression.line;
    return value;
  }

  std::optional<Value> evaluate_optional(const ExpressionPointer& expression) {
    return expression ? std::optional(evaluate(*expression)) : std::nullopt;
  }

  Value evaluate(const Literal& literal) { return literal.value; }

  Value evaluate(const Name& name) { return lookup(name.name); }

  /// A macro sees its own variables and those of the whole template, not its caller's.
  Value lookup(const std::string& name) const {
    for (std::size_t scope = scopes_.size(); scope-- > first_scope_;) {
      if (const auto found = scopes_[scope].find(name); found != scopes_[scope].end()) return found->second;
    }
    if (const auto found = scopes_.front().find(name); found != scopes_.front().end()) return found->second;
    // So that they are defined.
    if (find_function(name) || macros_.contains(name)) return MarkedText(name, Origin::kTemplate);
    return Undefined{"'" + name + "' is undefined"};
  }

  Value evaluate(const ListDisplay& display) {
    List list;
    for (const ExpressionPointer& item : display.items) list.push_back(evaluate(*item));
    return list;
  }

  Value evaluate(const DictDisplay& display) {
    Dict dict;
    for (const auto& [key_expression, value_expression] : display.entries) {
      const Value key = evaluate(*key_expression);
      if (!key.text()) throw Error("a key that is a " + std::string(key.kind()));
      dict.emplace_back(*key.text(), evaluate(*value_expression));
    }
    return dict;
  }

  Value evaluate(const Subscript& node) {
    const Value object = evaluate(*node.object);
    const Value key = evaluate(*node.key);
    if (!object.name_space() || !key.text()) return subscript(object, key);
    const Scope& attributes = namespaces_[object.name_space()->index];
    const auto found = attributes.find(key.text()->str());
    return found != attributes.end() ? found->second : Undefined{"the namespace has no '" + key.text()->str() + "'"};
  }

  Value evaluate(const Slice& node) {
    const Value object = evaluate(*node.object);
    const std::optional<Value> begin = evaluate_optional(node.begin);
    const std::optional<Value> end = evaluate_optional(node.end);
    const std::optional<Value> step = evaluate_optional(node.step);
    const Value part = slice(object, begin ? &*begin : nullptr, end ? &*end : nullptr, step ? &*step : nullptr);
    charge_for(part);
    return part;
  }

  Value evaluate(const Sign& node) {
    const Value operand = evaluate(*node.operand);
    if (!operand.is_number()) throw Error("a sign before a " + std::string(operand.defined().kind()));
    return node.negative ? negate(operand) : operand;
  }

  Value evaluate(const Not& node) { return !evaluate(*node.operand).truth(); }

  Value evaluate(const Logical& node) {
    Value left = evaluate(*node.left);
    return left.truth() == node.is_and ? evaluate(*node.right) : left;
  }

  Value evaluate(const Binary& node) {
    const Value left = evaluate(*node.left);
    const Value right = evaluate(*node.right);
    charge_for(left);
    charge_for(right);
    return compute(node.operation, left, right);
  }

  Value evaluate(const Compare& node) {
    Value left = evaluate(*node.first);
    for (const auto& [comparison, operand] : node.rest) {
      Value right = evaluate(*operand);
      charge_for(left);
      charge_for(right);
      if (!compare(comparison, left, right)) return false;
      left = std::move(right);
    }
    return true;
  }

  Value evaluate(const Conditional& node) {
    if (evaluate(*node.condition).truth()) return evaluate(*node.yes);
    return node.no ? evaluate(*node.no) : Undefined{"an 'if' without an 'else' whose condition does not hold"};
  }

  Value evaluate(const ApplyFilter& node) {
    const Value operand = evaluate(*node.operand);
    const Value result = node.filter(operand, evaluate(node.arguments));
    charge_for(operand);
    charge_for(result);
    return result;
  }

  Value evaluate(const ApplyTest& node) {
    const Value operand = evaluate(*node.operand);
    const std::optional<Value> argument = evaluate_optional(node.argument);
    return node.test->holds(operand, argument ? &*argument : nullptr) != node.negated;
  }

  Value evaluate(const Call& node) {
    const std::string argument = evaluate(*node.argument).str().str();
    if (node.function == Function::kRaiseException) throw Raised{argument};
    std::tm local{};
    localtime_r(&now_, &local);
    char text[256];
    const std::size_t length = std::strftime(text, sizeof text, argument.c_str(), &local);
    return MarkedText(std::string_view(text, length), Origin::kTemplate);
  }

  Value evaluate(const CallMethod& node) {
    const Value object = evaluate(*node.object);
    const Value result = node.method(object, evaluate(node.arguments));
    charge_for(object);
    charge_for(result);
    return result;
  }

  Value evaluate(const MakeNamespace& node) {
    charge(kIterationCost);
    Scope attributes;
    Arguments arguments = evaluate(node.attributes);
    for (auto& [name, value] : arguments.keyword) attributes[name] = std::move(value);
    namespaces_.push_back(std::move(attributes));
    return Namespace{namespaces_.size() - 1};
  }

  Value evaluate(const CallMacro& node) {
    const auto macro = macros_.find(node.name);
    if (macro == macros_.end()) throw Error("'" + node.name + "' is undefined");
    charge(kIterationCost);
    const Arguments arguments = evaluate(node.arguments);
    const std::size_t outer = std::exchange(first_scope_, scopes_.size());
    scopes_.emplace_back();
    bind(*macro->second, arguments);
    Value result = captured(macro->second->body);
    scopes_.resize(first_scope_);
    first_scope_ = outer;
    return result;
  }

  /// Gives a macro's parameters their values, in the scope that was made for it.
  void bind(const Macro& macro, const Arguments& arguments) {
    const auto is_parameter = [&](const std::string& name) {
      return std::ranges::find(macro.parameters, name, &Macro::Parameter::name) != macro.parameters.end();
    };
    for (const auto& [name, value] : arguments.keyword) {
      if (!is_parameter(name)) throw Error("the macro '" + macro.name + "' takes no argument '" + name + "'");
    }
    if (arguments.positional.size() > macro.parameters.size()) {
      throw Error("the macro '" + macro.name + "' takes " + std::to_string(macro.parameters.size()) + " arguments");
    }
    for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
      const Macro::Parameter& parameter = macro.parameters[i];
      const Value* given = argument(arguments, i, parameter.name);
      Value value = given                 ? *given
                    : parameter.otherwise ? evaluate(*parameter.otherwise)
                                          : Undefined{"parameter '" + parameter.name + "' was not provided"};
      scopes_.back()[parameter.name] = std::move(value);
    }
  }

  Arguments evaluate(const CallArguments& expressions) {
    Arguments arguments;
    for (const ExpressionPointer& argument : expressions.positional)
      arguments.positional.push_back(evaluate(*argument));
    for (const auto& [name, argument] : expressions.keyword) arguments.keyword.emplace_back(name, evaluate(*argument));
    return arguments;
  }

  void charge_for(const Value& value) {
    if (value.text())
      charge(value.text()->size());
    else if (value.list())
      charge(value.list()->size() * sizeof(Value));
  }

  std::vector<Scope> scopes_;    ///< the template's own variables first
  std::size_t first_scope_ = 0;  ///< of the macro at work
  std::map<std::string, const Macro*> macros_;
  std::vector<Scope> namespaces_;
  int depth_ = 0;
  std::time_t now_;
  MarkedText output_;
  std::size_t cost_ = 0;
  int line_ = 0;
};

}  // namespace

MarkedText render(const Block& block, const std::map<std::string, Value>& variables, std::time_t now) {
  return Renderer(variables, now).run(block);
}

std::optional<Function> find_function(std::string_view name) {
  for (const auto& [known, function] : kFunctions) {
    if (known == name) return function;
  }
  return std::nullopt;
}

}  // namespace gpuinfer::text::jinja
