#include "webhook/certificate_files.hpp"

#include <utility>

#include "webhook/server.hpp"

namespace gpuinfer::webhook {

CertificateFiles::CertificateFiles(std::filesystem::path chain, std::filesystem::path key,
                                   std::chrono::milliseconds interval)
    : chain_(std::move(chain)),
      key_(std::move(key)),
      interval_(interval),
      contents_(read_files({chain_, key_})),
      certificate_(load()) {}

void CertificateFiles::keep_current(Server& server) {
  watch_ = std::make_unique<FileWatch>(std::vector{chain_, key_}, contents_, interval_,
                                       [&server](const FileWatch::Contents& pair) {
                                         try {
                                           server.use_certificate(Certificate(pair[0].text, pair[1].text));
                                         } catch (const Error& error) {
                                           server.report_unusable_certificate(error);
                                         }
                                       });
}

Certificate CertificateFiles::load() const {
  try {
    return Certificate(contents_[0].text, contents_[1].text);
  } catch (const Error& error) {
    throw Error(chain_.string() + ", " + key_.string() + ": " + error.what(),
                "put the server's certificate chain and its key there, both in PEM");
  }
}

}  // namespace gpuinfer::webhook
