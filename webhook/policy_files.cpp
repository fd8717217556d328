#include "webhook/policy_files.hpp"

#include <openssl/evp.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/log.hpp"

namespace gpuinfer::webhook {

namespace {

policies::PolicySet parse(const FileWatch::Contents& files) {
  std::vector<policies::PolicyFile> documents;
  for (const WatchedFile& file : files) documents.push_back({file.name, file.text});
  return policies::parse_policy_files(documents);
}

/// The first 12 hexadecimal digits of the SHA-256 of all texts, of the default document's where there is no file.
std::string hash_of(const FileWatch::Contents& files) {
  std::string texts(files.empty() ? policies::default_policy_text() : "");
  for (const WatchedFile& file : files) texts += file.text + '\0';
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  EVP_Digest(texts.data(), texts.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hash;
  for (std::size_t i = 0; i < 6; ++i) {
    hash += kDigits[digest[i] >> 4];
    hash += kDigits[digest[i] & 15];
  }
  return hash;
}

}  // namespace

PolicyFiles::PolicyFiles(std::vector<std::filesystem::path> paths, std::chrono::milliseconds interval, Metrics& metrics)
    : PolicyFiles(paths, read_files(paths), interval, metrics) {}

PolicyFiles::PolicyFiles(std::vector<std::filesystem::path> paths, const FileWatch::Contents& files,
                         std::chrono::milliseconds interval, Metrics& metrics)
    : metrics_(metrics), policies_(parse(files)), status_(PolicyStatus{}) {
  set_status({.documents = get()->names(), .hash = hash_of(files)});
  if (paths.empty()) return;
  watch_ = std::make_unique<FileWatch>(std::move(paths), files, interval,
                                       [this](const FileWatch::Contents& changed) { reload(changed); });
}

void PolicyFiles::reload(const FileWatch::Contents& files) {
  PolicyStatus next = status();
  try {
    policies::PolicySet policies = parse(files);
    next = {.documents = policies.names(), .hash = hash_of(files), .generation = next.generation + 1};
    policies_.set(std::move(policies));
    metrics_.count_policy_reload(true);
    log(LogLevel::kInfo, "new policy documents are in force",
        {{"documents", next.documents}, {"hash", next.hash}, {"generation", next.generation}});
  } catch (const Error& error) {
    next.error = error.what();
    metrics_.count_policy_reload(false);
    log(LogLevel::kError, "the changed policy documents have an error; the last good ones stay in force",
        {{"error", error.what()}, {"remedy", error.remedy()}, {"generation", next.generation}});
  }
  set_status(std::move(next));
}

void PolicyFiles::set_status(PolicyStatus status) {
  metrics_.set_policies(status.generation, status.hash, !status.error.empty());
  status_.set(std::move(status));
}

}  // namespace gpuinfer::webhook
