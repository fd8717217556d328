// The policy documents in force, from files that change.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "policies/policy_set.hpp"
#include "webhook/current.hpp"
#include "webhook/file_watch.hpp"
#include "webhook/metrics.hpp"

namespace gpuinfer::webhook {

/// What people and `kubectl gpuinfer doctor` ask about the documents.
struct PolicyStatus {
  std::vector<std::string> documents;  ///< their names, in order
  std::string hash;                    ///< of the texts in force: the same on all replicas that have the same documents
  int generation = 1;                  ///< counts the changes since the start
  std::string error{};                 ///< why newer texts are not in force; empty where these are the newest
};

/// Reads documents from files and folders, again whenever they change. Texts with an error leave the last good ones in
/// force.
class PolicyFiles {
 public:
  /// Without `paths`, the default document is in force. Throws Error where a file is not readable or has an error.
  PolicyFiles(std::vector<std::filesystem::path> paths, std::chrono::milliseconds interval, Metrics& metrics);

  std::shared_ptr<const policies::PolicySet> get() const { return policies_.get(); }
  PolicyStatus status() const { return *status_.get(); }

 private:
  PolicyFiles(std::vector<std::filesystem::path> paths, const FileWatch::Contents& files,
              std::chrono::milliseconds interval, Metrics& metrics);
  void reload(const FileWatch::Contents& files);
  void set_status(PolicyStatus status);

  Metrics& metrics_;
  Current<policies::PolicySet> policies_;
  Current<PolicyStatus> status_;
  std::unique_ptr<FileWatch> watch_;
};

}  // namespace gpuinfer::webhook
