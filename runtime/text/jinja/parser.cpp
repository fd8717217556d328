#include "runtime/text/jinja/parser.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <iterator>
#include <set>

#include "base/error.hpp"
#include "runtime/text/jinja/lexer.hpp"
#include "runtime/text/jinja/renderer.hpp"

namespace gpuinfer::text::jinja {
namespace {

using Kind = Token::Kind;

/// How many functions of the parser may be at work at once: enough for any template that a person wrote (a pair of
/// parentheses takes ten), little enough for any stack.
constexpr int kMaxDepth = 600;

constexpr std::string_view kLoopAttributes[] = {"first",    "index",    "index0",   "last",     "length",
                                                "nextitem", "previtem", "revindex", "revindex0"};

/// Follows jinja2/parser.py, function by function.
class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokenize(source)) {}

  Block run() { return parse_block({}); }

 private:
  /// Counts a level of the tree for as long as it lives.
  class Level {
   public:
    explicit Level(Parser& parser) : parser_(parser) { deeper(); }
    ~Level() { parser_.depth_ -= levels_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

    /// One more level: a chain like a + b + c is a tree as deep as it is long.
    void deeper() {
      ++levels_;
      if (++parser_.depth_ > kMaxDepth) parser_.fail("nested too deeply");
    }

   private:
    Parser& parser_;
    int levels_ = 0;
  };

  // ---- tokens

  const Token& token() const { return tokens_[at_]; }
  const Token& next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool is(Kind kind) const { return token().kind == kind; }
  bool is_operator(std::string_view text) const { return is(Kind::kOperator) && token().text == text; }
  bool is_name(std::string_view text) const { return is(Kind::kName) && token().text == text; }

  bool skip_operator(std::string_view text) {
    if (!is_operator(text)) return false;
    next();
    return true;
  }

  bool skip_name(std::string_view text) {
    if (!is_name(text)) return false;
    next();
    return true;
  }

  void expect_operator(std::string_view text) {
    if (!skip_operator(text)) fail("expected '" + std::string(text) + "' before " + describe());
  }

  void expect(Kind kind, const char* what) {
    if (!is(kind)) fail(std::string("expected ") + what + " before " + describe());
    next();
  }

  std::string expect_name(const char* what) {
    if (!is(Kind::kName)) fail(std::string("expected ") + what + " before " + describe());
    return next().text;
  }

  std::string describe() const {
    if (is(Kind::kEnd)) return "the end of the template";
    if (is(Kind::kBlockEnd)) return "'%}'";
    if (is(Kind::kPrintEnd)) return "'}}'";
    return "'" + token().text + "'";
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error("line " + std::to_string(token().line) + ": " + what,
                "The template is damaged, or is not a Jinja template.");
  }

  [[noreturn]] void unsupported(const std::string& what) const {
    throw Error("line " + std::to_string(token().line) + ": " + what + " is not supported in a chat template yet",
                "Use a model whose template does without it, or give another template.");
  }

  // ---- statements

  /// The name of the block tag that begins here, or "".
  std::string keyword() const {
    const bool begins_block = is(Kind::kBlockBegin) && tokens_[at_ + 1].kind == Kind::kName;
    return begins_block ? tokens_[at_ + 1].text : "";
  }

  /// Statements up to the block tag with one of the names in `ends` (which stays), or the end of the template.
  Block parse_block(std::initializer_list<std::string_view> ends) {
    const Level level(*this);
    Block block;
    while (!is(Kind::kEnd) && std::find(ends.begin(), ends.end(), keyword()) == ends.end())
      block.push_back(parse_statement());
    return block;
  }

  Statement parse_statement() {
    const Token first = next();
    if (first.kind == Kind::kText) return {MarkedText(first.text, Origin::kTemplate)};
    if (first.kind == Kind::kPrintBegin) {
      Print print{parse_single_expression()};
      expect(Kind::kPrintEnd, "'}}'");
      return {std::move(print)};
    }
    const std::string name = expect_name("the name of a statement");
    if (name == "if") return {parse_if()};
    if (name == "for") return {parse_for()};
    if (name == "set") return parse_set();
    if (name == "macro") return {parse_macro()};
    --at_;  // back to the name, whose line the message gives
    if (name.substr(0, 3) == "end" || name == "else" || name == "elif") fail("'" + name + "' without its beginning");
    unsupported("the statement '" + name + "'");
  }

  void end_tag() { expect(Kind::kBlockEnd, "'%}'"); }

  /// After a block: the name of the tag that ended it.
  std::string closing_keyword(const char* statement) {
    if (is(Kind::kEnd)) fail(std::string("'") + statement + "' is never closed");
    next();
    return next().text;
  }

  If parse_if() {
    If result;
    std::string tag = "if";
    while (tag == "if" || tag == "elif") {
      ExpressionPointer condition = parse_or();
      end_tag();
      result.branches.emplace_back(std::move(condition), parse_block({"elif", "else", "endif"}));
      tag = closing_keyword("if");
    }
    if (tag == "else") {
      end_tag();
      result.otherwise = parse_block({"endif"});
      closing_keyword("if");
    }
    end_tag();
    return result;
  }

  For parse_for() {
    For result;
    do {
      result.targets.push_back(expect_name("the name of a variable"));
    } while (skip_operator(","));
    if (!skip_name("in")) fail("expected 'in' before " + describe());
    result.iterable = parse_or();
    if (skip_name("if")) result.condition = parse_expression();
    if (is_name("recursive")) unsupported("a recursive loop");
    end_tag();
    result.body = parse_block({"else", "endfor"});
    if (closing_keyword("for") == "else") {
      end_tag();
      result.otherwise = parse_block({"endfor"});
      closing_keyword("for");
    }
    end_tag();
    return result;
  }

  Statement parse_set() {
    std::string name = expect_name("the name of a variable");
    if (is_operator(",")) unsupported("setting several variables at once");
    if (is_operator("|")) unsupported("a 'set' block with a filter");
    if (is(Kind::kBlockEnd)) return {parse_set_block(std::move(name))};
    if (skip_operator(".")) {
      std::string attribute = expect_name("the name of an attribute");
      return {SetAttribute{std::move(name), std::move(attribute), parse_assigned()}};
    }
    return {Set{std::move(name), parse_assigned()}};
  }

  ExpressionPointer parse_assigned() {
    expect_operator("=");
    ExpressionPointer value = parse_single_expression();
    end_tag();
    return value;
  }

  SetBlock parse_set_block(std::string name) {
    end_tag();
    SetBlock result{std::move(name), parse_block({"endset"})};
    closing_keyword("set");
    end_tag();
    return result;
  }

  Macro parse_macro() {
    Macro macro{expect_name("the name of a macro"), {}, {}};
    macros_.insert(macro.name);
    expect_operator("(");
    while (!skip_operator(")")) {
      Macro::Parameter& parameter = macro.parameters.emplace_back();
      parameter.name = expect_name("the name of a parameter");
      if (skip_operator("=")) {
        parameter.otherwise = parse_expression();
      } else if (macro.parameters.size() > 1 && std::prev(macro.parameters.end(), 2)->otherwise) {
        fail("a parameter without a default after one with a default");
      }
      if (!is_operator(")")) expect_operator(",");
    }
    end_tag();
    macro.body = parse_block({"endmacro"});
    closing_keyword("macro");
    skip_name(macro.name);
    end_tag();
    return macro;
  }

  // ---- expressions, from the loosest binding to the tightest

  template <class Node>
  ExpressionPointer make(int line, Node node) const {
    return std::make_unique<Expression>(Expression{line, std::move(node)});
  }

  ExpressionPointer parse_single_expression() {
    ExpressionPointer expression = parse_expression();
    if (is_operator(",")) unsupported("a tuple");
    return expression;
  }

  ExpressionPointer parse_expression() {
    Level level(*this);
    ExpressionPointer expression = parse_or();
    while (is_name("if")) {
      const int line = next().line;
      level.deeper();
      ExpressionPointer condition = parse_or();
      ExpressionPointer otherwise = skip_name("else") ? parse_expression() : nullptr;
      expression = make(line, Conditional{std::move(condition), std::move(expression), std::move(otherwise)});
    }
    return expression;
  }

  ExpressionPointer parse_or() {
    Level level(*this);
    ExpressionPointer left = parse_and();
    while (is_name("or")) {
      const int line = next().line;
      level.deeper();
      left = make(line, Logical{false, std::move(left), parse_and()});
    }
    return left;
  }

  ExpressionPointer parse_and() {
    Level level(*this);
    ExpressionPointer left = parse_not();
    while (is_name("and")) {
      const int line = next().line;
      level.deeper();
      left = make(line, Logical{true, std::move(left), parse_not()});
    }
    return left;
  }

  ExpressionPointer parse_not() {
    const Level level(*this);
    if (!is_name("not")) return parse_compare();
    const int line = next().line;
    return make(line, Not{parse_not()});
  }

  ExpressionPointer parse_compare() {
    const int line = token().line;
    ExpressionPointer first = parse_sum();
    std::vector<std::pair<Comparison, ExpressionPointer>> rest;
    while (const std::optional<Comparison> comparison = skip_comparison()) rest.emplace_back(*comparison, parse_sum());
    return rest.empty() ? std::move(first) : make(line, Compare{std::move(first), std::move(rest)});
  }

  std::optional<Comparison> skip_comparison() {
    constexpr std::pair<std::string_view, Comparison> kOperators[] = {
        {"==", Comparison::kEqual},       {"!=", Comparison::kNotEqual}, {"<", Comparison::kLess},
        {"<=", Comparison::kLessOrEqual}, {">", Comparison::kGreater},   {">=", Comparison::kGreaterOrEqual}};
    for (const auto& [text, comparison] : kOperators) {
      if (skip_operator(text)) return comparison;
    }
    if (skip_name("in")) return Comparison::kIn;
    if (is_name("not") && tokens_[at_ + 1].kind == Kind::kName && tokens_[at_ + 1].text == "in") {
      next();
      next();
      return Comparison::kNotIn;
    }
    return std::nullopt;
  }

  using Operators = std::initializer_list<std::pair<std::string_view, Arithmetic>>;

  /// A chain of operands that `parse_operand` reads, joined by `operators`, from left to right.
  ExpressionPointer parse_chain(Operators operators, ExpressionPointer (Parser::*parse_operand)()) {
    Level level(*this);
    ExpressionPointer left = (this->*parse_operand)();
    for (;;) {
      const auto found =
          std::find_if(operators.begin(), operators.end(), [&](const auto& entry) { return is_operator(entry.first); });
      if (found == operators.end()) return left;
      const int line = next().line;
      level.deeper();
      left = make(line, Binary{found->second, std::move(left), (this->*parse_operand)()});
    }
  }

  ExpressionPointer parse_sum() {
    return parse_chain({{"+", Arithmetic::kAdd}, {"-", Arithmetic::kSubtract}}, &Parser::parse_concatenation);
  }

  ExpressionPointer parse_concatenation() {
    return parse_chain({{"~", Arithmetic::kConcatenate}}, &Parser::parse_product);
  }

  ExpressionPointer parse_product() {
    ExpressionPointer product =
        parse_chain({{"*", Arithmetic::kMultiply}, {"//", Arithmetic::kFloorDivide}, {"%", Arithmetic::kModulo}},
                    &Parser::parse_signed);
    if (is_operator("/")) unsupported("division with '/'");
    if (is_operator("**")) unsupported("the operator '**'");
    return product;
  }

  /// A sign binds tighter than filters and tests: -x|f is (-x)|f.
  ExpressionPointer parse_signed() { return parse_filters_and_tests(parse_sign()); }

  ExpressionPointer parse_sign() {
    const Level level(*this);
    if (!is_operator("-") && !is_operator("+")) return parse_postfix(parse_primary());
    const Token& sign = next();
    const bool negative = sign.text == "-";
    const int line = sign.line;
    return make(line, Sign{negative, parse_sign()});
  }

  ExpressionPointer parse_primary() {
    const Token& first = token();
    const int line = first.line;
    switch (first.kind) {
      case Kind::kName:
        return parse_name();
      case Kind::kString: {
        std::string text;
        while (is(Kind::kString)) text += next().text;
        return make(line, Literal{MarkedText(text, Origin::kTemplate)});
      }
      case Kind::kInteger:
        return make(line, Literal{parse_number<std::int64_t>()});
      case Kind::kReal:
        return make(line, Literal{parse_number<double>()});
      default:
        break;
    }
    if (skip_operator("(")) {
      ExpressionPointer inner = parse_single_expression();
      expect_operator(")");
      return inner;
    }
    if (skip_operator("[")) return parse_list(line);
    if (skip_operator("{")) return parse_dict(line);
    fail("expected an expression before " + describe());
  }

  template <class Number>
  Number parse_number() {
    const std::string& text = token().text;
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) fail("the number " + text + " is too large");
    next();
    return number;
  }

  ExpressionPointer parse_name() {
    const Token name = next();
    const std::string& text = name.text;
    if (text == "true" || text == "True") return make(name.line, Literal{true});
    if (text == "false" || text == "False") return make(name.line, Literal{false});
    if (text == "none" || text == "None") return make(name.line, Literal{None{}});
    if (!is_operator("(")) return make(name.line, Name{text});
    if (macros_.contains(text)) return make(name.line, CallMacro{text, parse_arguments()});
    if (text == "namespace") return make(name.line, parse_namespace());
    const std::optional<Function> function = find_function(text);
    if (!function) unsupported("the function '" + text + "'");
    CallArguments arguments = parse_arguments();
    if (arguments.positional.size() != 1 || !arguments.keyword.empty()) fail(text + "() takes one argument");
    return make(name.line, Call{*function, std::move(arguments.positional[0])});
  }

  MakeNamespace parse_namespace() {
    MakeNamespace result{parse_arguments()};
    if (!result.attributes.positional.empty()) unsupported("a namespace made from another value");
    return result;
  }

  ExpressionPointer parse_list(int line) {
    ListDisplay list;
    while (!skip_operator("]")) {
      list.items.push_back(parse_expression());
      if (!is_operator("]")) expect_operator(",");
    }
    return make(line, std::move(list));
  }

  ExpressionPointer parse_dict(int line) {
    DictDisplay dict;
    while (!skip_operator("}")) {
      ExpressionPointer key = parse_expression();
      expect_operator(":");
      dict.entries.emplace_back(std::move(key), parse_expression());
      if (!is_operator("}")) expect_operator(",");
    }
    return make(line, std::move(dict));
  }

  ExpressionPointer parse_postfix(ExpressionPointer object) {
    Level level(*this);
    for (;;) {
      const int line = token().line;
      if (skip_operator(".")) {
        const std::string name = expect_name("the name of an attribute");
        if (is_operator("(")) {
          const Method method = find_method(name);
          if (!method) unsupported("the method '" + name + "' (these are: " + method_names() + ")");
          object = make(line, CallMethod{std::move(object), method, parse_arguments()});
        } else {
          check_loop_attribute(*object, name);
          ExpressionPointer key = make(line, Literal{MarkedText(name, Origin::kTemplate)});
          object = make(line, Subscript{std::move(object), std::move(key)});
        }
      } else if (skip_operator("[")) {
        object = parse_subscript(line, std::move(object));
      } else if (is_operator("(")) {
        unsupported("calling an expression");
      } else {
        return object;
      }
      level.deeper();
    }
  }

  /// Elsewhere an unknown attribute is undefined, which may be meant; of `loop` it would be a feature of Jinja that we
  /// lack.
  void check_loop_attribute(const Expression& object, const std::string& attribute) const {
    const Name* name = std::get_if<Name>(&object.node);
    if (!name || name->name != "loop") return;
    const auto found = std::find(std::begin(kLoopAttributes), std::end(kLoopAttributes), attribute);
    if (found == std::end(kLoopAttributes)) unsupported("'loop." + attribute + "'");
  }

  ExpressionPointer parse_subscript(int line, ExpressionPointer object) {
    ExpressionPointer begin = is_operator(":") ? nullptr : parse_single_expression();
    if (skip_operator("]")) return make(line, Subscript{std::move(object), std::move(begin)});
    expect_operator(":");
    ExpressionPointer end = is_operator("]") || is_operator(":") ? nullptr : parse_expression();
    ExpressionPointer step = skip_operator(":") && !is_operator("]") ? parse_expression() : nullptr;
    expect_operator("]");
    return make(line, Slice{std::move(object), std::move(begin), std::move(end), std::move(step)});
  }

  ExpressionPointer parse_filters_and_tests(ExpressionPointer operand) {
    Level level(*this);
    for (;;) {
      const int line = token().line;
      if (skip_operator("|")) {
        operand = parse_filter(line, std::move(operand));
      } else if (skip_name("is")) {
        operand = parse_test(line, std::move(operand));
      } else {
        return operand;
      }
      level.deeper();
    }
  }

  ExpressionPointer parse_filter(int line, ExpressionPointer operand) {
    const std::string name = expect_name("the name of a filter");
    const Filter filter = find_filter(name);
    if (!filter) unsupported("the filter '" + name + "' (these are: " + filter_names() + ")");
    CallArguments arguments;
    if (is_operator("(")) arguments = parse_arguments();
    return make(line, ApplyFilter{std::move(operand), filter, std::move(arguments)});
  }

  ExpressionPointer parse_test(int line, ExpressionPointer operand) {
    const bool negated = skip_name("not");
    const std::string name = expect_name("the name of a test");
    const Test* test = find_test(name);
    if (!test) unsupported("the test '" + name + "' (these are: " + test_names() + ")");
    ExpressionPointer argument = parse_test_argument();
    if (test->takes_argument != (argument != nullptr)) {
      fail("the test '" + name + "' " + (argument ? "takes no argument" : "needs an argument"));
    }
    if (is_name("is")) fail("a test of a test");
    return make(line, ApplyTest{std::move(operand), test, negated, std::move(argument)});
  }

  /// In parentheses or without: `x is equalto(1)`, `x is equalto 1`. Null where there is none.
  ExpressionPointer parse_test_argument() {
    const bool is_word = is(Kind::kName) && !is_name("else") && !is_name("or") && !is_name("and") && !is_name("is");
    const bool is_literal = is(Kind::kString) || is(Kind::kInteger) || is(Kind::kReal);
    const bool is_bracket = is_operator("(") || is_operator("[") || is_operator("{");
    return is_word || is_literal || is_bracket ? parse_postfix(parse_primary()) : nullptr;
  }

  CallArguments parse_arguments() {
    const Level level(*this);
    expect_operator("(");
    CallArguments arguments;
    while (!skip_operator(")")) {
      const bool has_name = is(Kind::kName) && tokens_[at_ + 1].kind == Kind::kOperator && tokens_[at_ + 1].text == "=";
      if (has_name) {
        std::string name = next().text;
        next();
        arguments.keyword.emplace_back(std::move(name), parse_expression());
      } else {
        if (!arguments.keyword.empty()) fail("an argument without a name after one with a name");
        arguments.positional.push_back(parse_expression());
      }
      if (!is_operator(")")) expect_operator(",");
    }
    return arguments;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::set<std::string, std::less<>> macros_;  ///< whose definitions have begun
};

}  // namespace

Block parse(std::string_view source) { return Parser(source).run(); }

}  // namespace gpuinfer::text::jinja
