#include "policies/ecr.hpp"

#include <algorithm>
#include <array>

namespace gpuinfer::policies {

namespace {

constexpr std::size_t kAccountDigits = 12;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The part of a registry's host between the account and the region, and the suffix after the region in each partition.
/// The FIPS endpoints exist in the regions of the United States and Canada, none of which is in aws-cn.
/// https://docs.aws.amazon.com/general/latest/gr/ecr.html
struct Form {
  std::string_view service;
  std::string_view suffix;
  std::string_view china_suffix;  ///< empty: there is no such endpoint in China
};
constexpr std::array kForms{
    Form{".dkr.ecr.", ".amazonaws.com", ".amazonaws.com.cn"},
    Form{".dkr.ecr-fips.", ".amazonaws.com", ""},
    Form{".dkr-ecr.", ".on.aws", ".on.amazonwebservices.com.cn"},
    Form{".dkr-ecr-fips.", ".on.aws", ""},
};

/// us-west-2, us-gov-east-1, ap-southeast-5: letters, parts between hyphens, a number.
bool is_region(std::string_view text) {
  const std::size_t last = text.rfind('-');
  return last != std::string_view::npos && text.find('-') < last && last + 1 < text.size() &&
         std::all_of(text.begin() + static_cast<long>(last) + 1, text.end(), is_digit) &&
         std::all_of(text.begin(), text.begin() + static_cast<long>(last),
                     [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

}  // namespace

bool is_private_ecr(std::string_view host) {
  if (host.size() < kAccountDigits || !std::all_of(host.begin(), host.begin() + kAccountDigits, is_digit)) return false;
  host.remove_prefix(kAccountDigits);
  return std::any_of(kForms.begin(), kForms.end(), [&](const Form& form) {
    if (!host.starts_with(form.service)) return false;
    const std::string_view rest = host.substr(form.service.size());
    const std::string_view region = rest.substr(0, rest.find('.'));
    const std::string_view suffix = region.starts_with("cn-") ? form.china_suffix : form.suffix;
    return is_region(region) && !suffix.empty() && rest.substr(region.size()) == suffix;
  });
}

bool is_misspelled_ecr(std::string_view host) {
  const bool looks_like_ecr =
      host.find(".dkr.ecr") != std::string_view::npos || host.find(".dkr-ecr") != std::string_view::npos;
  return looks_like_ecr && !is_private_ecr(host);
}

}  // namespace gpuinfer::policies
