// Cuts the source of a template into text and the tokens of its tags, with Jinja's white space control already applied.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpuinfer::text::jinja {

struct Token {
  enum class Kind {
    kText,        ///< what stands outside tags
    kBlockBegin,  ///< {%
    kBlockEnd,    ///< %}
    kPrintBegin,  ///< {{
    kPrintEnd,    ///< }}
    kName,
    kString,  ///< `text` is its value
    kInteger,
    kReal,
    kOperator,
    kEnd,  ///< of the template, always the last token
  };
  Kind kind;
  std::string text;
  int line;
};

/// Follows jinja2/lexer.py with the settings that Hugging Face renders chat templates with: trim_blocks, lstrip_blocks,
/// and no newline at the end. Throws Error naming the line.
std::vector<Token> tokenize(std::string_view source);

}  // namespace gpuinfer::text::jinja
