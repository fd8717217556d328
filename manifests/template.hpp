// Fills in the YAML templates of this folder: the text is parsed first and its values replaced afterwards, so a value
// can never change the structure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/json.hpp"

namespace gpuinfer::manifests {

/// Values by the name of their placeholder.
using Parameters = std::map<std::string, Json>;

/// The YAML document `text` with each `${name}` in its values replaced. A value that is one placeholder and nothing
/// else takes the parameter as it is: number, list, object; null leaves the field (or the list's item) out. A
/// placeholder inside other text takes a string or a number. Keys are never replaced; `$${` stands for `${`. Throws
/// Error, with `name` as the template's name, for a placeholder without parameter and a parameter without placeholder.
Json render_template(std::string_view text, const std::string& name, const Parameters& parameters);

}  // namespace gpuinfer::manifests
