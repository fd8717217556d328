#include "runtime/text/normalizer.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>

#include "runtime/text/replace_all.hpp"

namespace gpuinfer::text {
namespace {

using namespace normalization;

/// Characters below U+0300 are in NFC whatever stands beside them, and below U+0080 in every form.
bool is_normalized_already(std::string_view text, Form form) {
  const std::uint8_t first_lead = form == Form::kNfc ? 0xCC : 0x80;
  return std::all_of(text.begin(), text.end(), [first_lead](char byte) {
    const auto value = static_cast<std::uint8_t>(byte);
    return value < first_lead;
  });
}

/// Each step gives the changed text, or nothing where it changes nothing.
std::optional<std::string> apply_step(Form form, std::string_view text, bool) {
  if (is_normalized_already(text, form)) return std::nullopt;
  const bool composed = form == Form::kNfc || form == Form::kNfkc;
  const bool compatible = form == Form::kNfkc || form == Form::kNfkd;
  const int options =
      UTF8PROC_STABLE | (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | (compatible ? UTF8PROC_COMPAT : 0);
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &mapped, static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, std::free);
  if (length < 0) throw std::bad_alloc();  // the only way in which valid UTF-8 can fail
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(length));
}

std::optional<std::string> apply_step(const Prepend& step, std::string_view text, bool first) {
  if ((step.only_first && !first) || (step.unless_present && text.starts_with(step.text))) return std::nullopt;
  return step.text + std::string(text);
}

std::optional<std::string> apply_step(const Replace& step, std::string_view text, bool) {
  if (text.find(step.from) == std::string_view::npos) return std::nullopt;
  return replace_all(text, step.from, step.to);
}

}  // namespace

std::string_view Normalizer::apply(std::string_view text, bool first, std::string& buffer) const {
  for (const Step& step : steps_) {
    auto changed = std::visit([&](const auto& known) { return apply_step(known, text, first); }, step);
    if (!changed) continue;
    buffer = std::move(*changed);
    text = buffer;
  }
  return text;
}

}  // namespace gpuinfer::text
