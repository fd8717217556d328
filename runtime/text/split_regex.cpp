#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/text/split_regex.hpp"

#include <pcre2.h>

#include <utility>

#include "base/error.hpp"

namespace gpuinfer::text {
namespace {

struct FreeMatching {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

/// What a match writes to. Threads share the patterns, so each has its own.
struct MatchState {
  std::unique_ptr<pcre2_match_data, FreeMatching> data{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, FreeMatching> context{pcre2_match_context_create(nullptr)};
  std::unique_ptr<pcre2_jit_stack, FreeMatching> stack{pcre2_jit_stack_create(32 << 10, 8 << 20, nullptr)};

  MatchState() { pcre2_jit_stack_assign(context.get(), nullptr, stack.get()); }
};

std::string message(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

/// PCRE2 counts U+180E (Mongolian vowel separator) as white space, Oniguruma (as Unicode since 6.3) does not: \s and \S
/// are spelled out.
std::string to_pcre2(std::string_view pattern) {
  constexpr std::string_view kSpace = R"(\t-\r\x{85}\p{Z})";
  std::string translated;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char escaped = pattern[++i];
      if (escaped == 's')
        (translated += in_class ? "" : "[").append(kSpace) += in_class ? "" : "]";
      else if (escaped == 'S' && !in_class)
        (translated += "[^").append(kSpace) += "]";
      else
        (translated += c) += escaped;
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    translated += c;
  }
  return translated;
}

}  // namespace

void SplitRegex::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

SplitRegex::SplitRegex(std::string pattern) : pattern_(std::move(pattern)) {
  int error = 0;
  std::size_t offset = 0;
  const std::string translated = to_pcre2(pattern_);
  code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                            PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr));
  if (!code_) {
    throw Error("the tokenizer's split pattern '" + pattern_ + "' cannot be compiled: " + message(error) + " near '" +
                    translated.substr(offset, 20) + "'",
                "Only what PCRE2 understands is supported.");
  }
  pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // where there is no JIT, pcre2_match interprets
}

void SplitRegex::find_all(std::string_view text, const Found& found) const {
  thread_local MatchState state;
  for (std::size_t at = 0; at < text.size();) {
    const int result = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                                   PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, state.data.get(), state.context.get());
    if (result == PCRE2_ERROR_NOMATCH) return;
    if (result < 0) {
      throw Error("the tokenizer's split pattern '" + pattern_ + "' failed on a text of " +
                      std::to_string(text.size()) + " bytes: " + message(result),
                  "Send a shorter text, or report the model's pattern.");
    }
    const std::size_t* match = pcre2_get_ovector_pointer(state.data.get());
    found(match[0], match[1]);
    at = match[1];
  }
}

}  // namespace gpuinfer::text
