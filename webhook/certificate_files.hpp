// The server's certificate in two files that somebody else changes: a user, or cert-manager through a mounted Secret.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "webhook/certificate.hpp"
#include "webhook/file_watch.hpp"

namespace gpuinfer::webhook {

class Server;

/// A certificate chain and its private key, both in PEM.
class CertificateFiles {
 public:
  /// Reads both, and later again every `interval`. Throws Error where that gives no usable certificate.
  CertificateFiles(std::filesystem::path chain, std::filesystem::path key, std::chrono::milliseconds interval);

  const Certificate& certificate() const { return certificate_; }

  /// From now on, `server` gets what the files change to; it must live longer than this object.
  void keep_current(Server& server);

 private:
  Certificate load() const;

  std::filesystem::path chain_;
  std::filesystem::path key_;
  std::chrono::milliseconds interval_;
  FileWatch::Contents contents_;
  Certificate certificate_;
  std::unique_ptr<FileWatch> watch_;
};

}  // namespace gpuinfer::webhook
