#include "runtime/text/jinja/lexer.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <utility>

#include "base/error.hpp"
#include "runtime/text/utf8.hpp"

namespace gpuinfer::text::jinja {
namespace {

/// Newlines as "\n", and the last one gone (keep_trailing_newline is off).
std::string normalize(std::string_view source) {
  std::string normalized;
  normalized.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      normalized += '\n';
      if (source.substr(i + 1, 1) == "\n") ++i;
    } else {
      normalized += source[i];
    }
  }
  if (!normalized.empty() && normalized.back() == '\n') normalized.pop_back();
  return normalized;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name(char c) { return is_name_start(c) || is_digit(c); }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalize(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      text();
      if (starts_with("{#"))
        comment();
      else if (starts_with("{%"))
        tag(Token::Kind::kBlockBegin, Token::Kind::kBlockEnd, "%}");
      else if (starts_with("{{"))
        tag(Token::Kind::kPrintBegin, Token::Kind::kPrintEnd, "}}");
    }
    add(Token::Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool starts_with(std::string_view prefix) const { return rest().substr(0, prefix.size()) == prefix; }

  /// Of the current place.
  int line() {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(line_counted_to_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(at_), '\n'));
    line_counted_to_ = at_;
    return line_;
  }

  void add(Token::Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line()}); }

  [[noreturn]] void fail(const std::string& what) {
    throw Error("line " + std::to_string(line()) + ": " + what, "The template is damaged, or is not a Jinja template.");
  }

  /// Text up to the next tag, without what the tag's "-" or lstrip_blocks takes away.
  void text() {
    std::size_t end = at_;
    while (end < source_.size() && !(source_[end] == '{' && end + 1 < source_.size() &&
                                     std::string_view("%{#").find(source_[end + 1]) != std::string_view::npos)) {
      ++end;
    }
    std::string_view text = rest().substr(0, end - at_);
    if (end < source_.size()) {
      const char sign = end + 2 < source_.size() ? source_[end + 2] : '\0';
      if (sign == '-')
        text = text.substr(0, length_without_trailing_space(text));
      else if (sign != '+' && source_[end + 1] != '{')
        text = without_indentation(text);
    }
    if (!text.empty()) add(Token::Kind::kText, std::string(text));
    at_ = end;
  }

  /// lstrip_blocks: the white space between the beginning of a line and a tag.
  std::string_view without_indentation(std::string_view text) const {
    const std::size_t newline = text.rfind('\n');
    const std::size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
    const bool at_line_start = line_start > 0 || at_ == 0 || source_[at_ - 1] == '\n';
    const bool only_space = leading_space_length(text.substr(line_start)) == text.size() - line_start;
    return at_line_start && only_space ? text.substr(0, line_start) : text;
  }

  /// After a tag: "-" takes all white space, trim_blocks (for blocks and comments) one newline.
  void trim_after(char sign, bool trims_newline) {
    if (sign == '-')
      at_ += leading_space_length(rest());
    else if (sign != '+' && trims_newline && starts_with("\n"))
      ++at_;
  }

  void comment() {
    const std::size_t end = source_.find("#}", at_ + 2);
    if (end == std::string::npos) fail("a comment that is never closed");
    const char sign = end > at_ + 2 ? source_[end - 1] : '\0';
    at_ = end + 2;
    trim_after(sign, true);
  }

  void tag(Token::Kind begin, Token::Kind end, std::string_view closing) {
    add(begin, "");
    at_ += 2;
    if (starts_with("-") || starts_with("+")) ++at_;
    int open_brackets = 0;
    for (;;) {
      at_ += leading_space_length(rest());
      if (at_ >= source_.size()) fail("a tag that is never closed");
      if (open_brackets == 0) {
        const char sign = starts_with("-") || starts_with("+") ? source_[at_] : '\0';
        if (rest().substr(sign ? 1 : 0, 2) == closing && !(sign == '+' && closing == "}}")) {
          add(end, "");
          at_ += sign ? 3 : 2;
          trim_after(sign, end == Token::Kind::kBlockEnd);
          return;
        }
      }
      const char c = source_[at_];
      if (c == '\'' || c == '"')
        string();
      else if (is_digit(c))
        number();
      else if (is_name_start(c))
        name();
      else
        open_brackets += operator_token();
    }
  }

  void name() {
    std::size_t length = 1;
    while (length < rest().size() && is_name(rest()[length])) ++length;
    add(Token::Kind::kName, std::string(rest().substr(0, length)));
    at_ += length;
  }

  void number() {
    std::size_t length = 0;
    const auto digits = [&] {
      while (length < rest().size() && is_digit(rest()[length])) ++length;
    };
    digits();
    const bool is_real = rest().substr(length, 1) == "." && length + 1 < rest().size() && is_digit(rest()[length + 1]);
    if (is_real) {
      ++length;
      digits();
    }
    if (length < rest().size() && is_name(rest()[length])) fail("a number in a form that is not supported");
    add(is_real ? Token::Kind::kReal : Token::Kind::kInteger, std::string(rest().substr(0, length)));
    at_ += length;
  }

  /// Adds the operator; returns how many brackets it opens.
  int operator_token() {
    constexpr std::string_view kOperators[] = {"**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<",
                                               ">",  "=",  "(",  ")",  "[",  "]",  "{", "}", "|", ",", ".", ":"};
    const auto found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                    [&](std::string_view op) { return starts_with(op); });
    if (found == std::end(kOperators))
      fail("unexpected '" + std::string(rest().substr(0, first_character(rest()).length)) + "'");
    add(Token::Kind::kOperator, std::string(*found));
    at_ += found->size();
    if (*found == "(" || *found == "[" || *found == "{") return 1;
    return *found == ")" || *found == "]" || *found == "}" ? -1 : 0;
  }

  void string() {
    const char quote = source_[at_];
    std::string value;
    std::size_t i = at_ + 1;
    for (; i < source_.size() && source_[i] != quote; ++i) {
      if (source_[i] == '\\' && i + 1 < source_.size())
        i = escape(i + 1, value);
      else
        value += source_[i];
    }
    if (i >= source_.size()) fail("a string that is never closed");
    add(Token::Kind::kString, std::move(value));
    at_ = i + 1;
  }

  /// Python's escapes. `i` is the place after the backslash; returns the place of the escape's last character.
  std::size_t escape(std::size_t i, std::string& value) {
    constexpr std::string_view kLetters = "abfnrtv\\'\"\n";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    const char c = source_[i];
    if (const std::size_t letter = kLetters.find(c); letter != std::string_view::npos) {
      if (letter < kMeanings.size()) value += kMeanings[letter];  // an escaped newline is nothing
      return i;
    }
    if (c == 'x') return hexadecimal(i, 2, value);
    if (c == 'u') return hexadecimal(i, 4, value);
    if (c == 'U') return hexadecimal(i, 8, value);
    if (is_digit(c) || c == 'N') fail(std::string("the escape '\\") + c + "' is not supported");
    (value += '\\') += c;
    return i;
  }

  std::size_t hexadecimal(std::size_t i, std::size_t digits, std::string& value) {
    std::uint32_t code_point = 0;
    const char* begin = source_.data() + i + 1;
    const char* end = begin + std::min(digits, source_.size() - i - 1);
    const auto [parsed, error] = std::from_chars(begin, end, code_point, 16);
    const bool is_surrogate = code_point >= 0xD800 && code_point < 0xE000;
    if (error != std::errc() || parsed != begin + digits || is_surrogate || code_point > 0x10FFFF) {
      fail("an escape that names no character");
    }
    append_utf8(value, code_point);
    return i + digits;
  }

  std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::size_t line_counted_to_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace gpuinfer::text::jinja
