#include "kube/credentials.hpp"

#include "base/base64.hpp"
#include "base/file.hpp"
#include "kube/exec_plugin.hpp"

namespace gpuinfer::kube {

namespace {

/// How long a token file is believed, as in client-go.
constexpr std::chrono::minutes kTokenFileLifetime{1};

/// In whole seconds: nanoseconds since 1970 end in 2262, and some tokens do not.
std::chrono::sys_seconds now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

std::string trimmed(std::string text) {
  text.erase(0, text.find_first_not_of(" \t\r\n"));
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  return text;
}

}  // namespace

Credentials::Credentials(User user, Cluster cluster) : user_(std::move(user)), cluster_(std::move(cluster)) {}

Credential Credentials::current(std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  if (!cached_ || (expires_ && now() >= *expires_)) cached_ = fetch(std::move(stop));
  return *cached_;
}

bool Credentials::renew(const Credential& refused) {
  if (!user_.exec && user_.token_file.empty()) return false;
  const std::lock_guard lock(mutex_);
  if (cached_ == refused) cached_.reset();
  return true;
}

Credential Credentials::fetch(std::stop_token stop) {
  expires_.reset();
  Credential credential;
  credential.client_certificate = user_.client_certificate;
  credential.client_key = user_.client_key;
  if (!user_.token_file.empty()) {
    credential.authorization = "Bearer " + trimmed(read_file(user_.token_file));
    expires_ = now() + kTokenFileLifetime;
  } else if (!user_.token.empty()) {
    credential.authorization = "Bearer " + user_.token;
  } else if (!user_.username.empty()) {
    credential.authorization = "Basic " + base64_encode(user_.username + ":" + user_.password);
  } else if (user_.exec) {
    ExecCredential answer = run_exec_plugin(*user_.exec, cluster_, std::move(stop));
    credential.authorization = answer.credential.authorization;
    if (!answer.credential.client_certificate.empty()) {
      credential.client_certificate = answer.credential.client_certificate;
      credential.client_key = answer.credential.client_key;
    }
    expires_ = answer.expires;
  }
  for (const unsigned char c : credential.authorization) {
    if (c < ' ' || c == 0x7f) throw Error("the token holds a line break or another control character");
  }
  return credential;
}

}  // namespace gpuinfer::kube
