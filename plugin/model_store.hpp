// Models on this machine: one folder each below a root that looks like the volume mounted at /models in a pod.
#pragma once

#include <filesystem>

#include "plugin/catalogue.hpp"
#include "plugin/progress.hpp"

namespace gpuinfer::plugin {

/// `cache_directory()/models`: where models go unless the user names another root.
std::filesystem::path default_models_root();

/// The model's folder below `root`, whether or not it is there.
std::filesystem::path model_folder(const std::filesystem::path& root, const Model& model);

/// True where the whole model is there: a file of the recorded size, or a config.json.
bool is_pulled(const std::filesystem::path& root, const Model& model);

/// Makes sure that the whole model is below `root` and returns its folder. Where it has to be fetched, the file is
/// checked against the recorded SHA-256 and the folder appears in one step, so that an interrupted pull leaves nothing
/// that looks like a model. Throws Error; for a model on the Hugging Face hub that is not there yet, the remedy is the
/// commands that fetch it.
std::filesystem::path pull_model(const std::filesystem::path& root, const Model& model, Progress& progress);

}  // namespace gpuinfer::plugin
