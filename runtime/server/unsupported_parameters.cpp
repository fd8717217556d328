#include "runtime/server/unsupported_parameters.hpp"

#include <array>
#include <string_view>

#include "runtime/server/api_error.hpp"

namespace gpuinfer::server {
namespace {

/// A parameter that we do not have, and the values that ask for nothing.
struct Unsupported {
  std::string_view name;
  bool (*asks_for_nothing)(const Json& value);
};

bool never(const Json&) { return false; }
bool is_false(const Json& value) { return value == false; }
bool is_empty(const Json& value) { return value.is_structured() && value.empty(); }
bool is_plain_text(const Json& value) { return value.is_object() && value.value("type", Json()) == "text"; }
bool is_only_text(const Json& value) { return value == Json::array({"text"}); }

constexpr auto kUnsupported = std::to_array<Unsupported>({
    {"audio", never},
    {"chat_template", never},
    {"continue_final_message", is_false},
    {"dimensions", never},
    {"functions", is_empty},
    {"include_stop_str_in_output", is_false},
    {"modalities", is_only_text},
    {"response_format", is_plain_text},
    {"structured_outputs", is_empty},
    {"suffix", [](const Json& value) { return value == ""; }},
    {"use_beam_search", is_false},
});

ApiError unsupported(const std::string& message, const std::string& name) {
  return invalid_request(message, name, "unsupported_parameter");
}

}  // namespace

void refuse_unsupported_parameters(const RequestFields& fields) {
  for (const Unsupported& parameter : kUnsupported) {
    const Json* value = fields.find(parameter.name);
    if (!value || parameter.asks_for_nothing(*value)) continue;
    const std::string name(parameter.name);
    throw unsupported("'" + name + "' is not supported yet with this value.", name);
  }
  // Tools that the model must not call change nothing; any other choice would.
  const Json* tools = fields.find("tools");
  const Json* tool_choice = fields.find("tool_choice");
  const bool none_wanted = (!tools || tools->empty()) && (!tool_choice || *tool_choice == "auto");
  if (none_wanted || (tool_choice && *tool_choice == "none")) return;
  throw unsupported("Tool calls are not supported yet.", tools && !tools->empty() ? "tools" : "tool_choice");
}

}  // namespace gpuinfer::server
