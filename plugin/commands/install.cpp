// `install`: puts the webhook into the cluster, or brings an earlier installation up to date.
#include <iostream>
#include <memory>

#include "kube/resource.hpp"
#include "plugin/cluster_connection.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/duration.hpp"
#include "plugin/example.hpp"
#include "plugin/output.hpp"
#include "plugin/policy_documents.hpp"
#include "plugin/toleration.hpp"
#include "plugin/webhook_installation.hpp"

namespace gpuinfer::plugin {

namespace {

struct InstallOptions {
  PolicyOptions policy;
  std::string image;
  int replicas = 2;
  std::string failure_policy = "Ignore";
  std::string certificates = "self";
  std::vector<std::string> excluded_namespaces;
  std::vector<std::string> tolerations;
  std::string dry_run = "none";
  std::string output;
  std::string timeout = "5m";
  bool wait = true;
};

constexpr std::string_view kSecretPrefix = "secret=";

/// "self", "cert-manager" or "secret=NAME".
std::string certificates_problem(const std::string& text) {
  const bool names_secret = text.starts_with(kSecretPrefix) && text.size() > kSecretPrefix.size();
  return text == "self" || text == "cert-manager" || names_secret ? "" : "is none of self, cert-manager, secret=NAME";
}

void choose_certificates(manifests::WebhookInstall& install, const std::string& text) {
  if (text == "cert-manager") {
    install.certificates = manifests::Certificates::kCertManager;
  } else if (text != "self") {
    install.certificates = manifests::Certificates::kSecret;
    install.secret = text.substr(kSecretPrefix.size());
  }
}

manifests::WebhookInstall webhook_install(const InstallOptions& options, const std::string& policy_text) {
  manifests::WebhookInstall install;
  if (!options.image.empty()) install.image = options.image;
  install.replicas = options.replicas;
  install.failure_policy =
      options.failure_policy == "Fail" ? manifests::FailurePolicy::kFail : manifests::FailurePolicy::kIgnore;
  for (const std::string& toleration : options.tolerations) install.tolerations.push_back(parse_toleration(toleration));
  install.policy_yaml = policy_text;
  install.excluded_namespaces = options.excluded_namespaces;
  choose_certificates(install, options.certificates);
  return install;
}

/// The documents as one YAML stream.
std::string policy_stream(const PolicyDocuments& documents) {
  std::string stream;
  for (const policies::PolicyFile& file : documents.files) {
    stream += (stream.empty() ? "" : "---\n") + file.text;
    if (!stream.ends_with('\n')) stream += '\n';
  }
  return stream;
}

void install(const InstallOptions& options, const GlobalOptions& global) {
  const PolicyDocuments policies = load_policies(options.policy);
  manifests::WebhookInstall webhook = webhook_install(options, policy_stream(policies));
  webhook.asked_about_every_pod = policies.policies.injects_without_annotation();
  const std::chrono::seconds timeout = parse_duration(options.timeout);
  if (options.dry_run == "client") {
    std::vector<Json> objects = manifests::webhook_objects(webhook);
    if (webhook.certificates == manifests::Certificates::kSelf) {
      objects.insert(objects.begin() + 1, manifests::webhook_secret());
    }
    print_objects(std::cout, objects, options.output.empty() ? "yaml" : options.output);
    return;
  }
  kube::Client client = connect(global);
  Progress progress;
  if (webhook.certificates == manifests::Certificates::kSecret) read_user_certificate(webhook, client);
  std::vector<Json> applied;
  if (options.dry_run == "server") {
    applied = check_webhook_installation(client, webhook, progress);
  } else {
    applied = install_webhook(client, webhook, options.wait, timeout, progress);
    if (options.wait && options.replicas > 0) {
      wait_until_injecting(client, timeout, progress);
      progress.done("webhook answers");
    }
  }
  if (!options.output.empty()) {
    print_objects(std::cout, applied, options.output);
  } else if (options.dry_run == "none") {
    std::cout << "The webhook is installed in namespace " << manifests::kWebhookNamespace << ".\n"
              << "  serve a model:  kubectl gpuinfer deploy smollm2-135m\n"
              << "  look after it:  kubectl gpuinfer doctor\n"
              << "  the policy:     kubectl edit configmap gpuinfer-policy -n " << manifests::kWebhookNamespace << '\n';
  }
}

}  // namespace

void add_install_command(CLI::App& program, GlobalOptions& global) {
  auto options = std::make_shared<InstallOptions>();
  CLI::App* command = program.add_subcommand("install", "Install or update the webhook that prepares GPU pods");
  add_policy_options(*command, options->policy);
  command->add_option("--image", options->image, "The webhook's image")->type_name("IMAGE");
  command->add_option("--replicas", options->replicas, "How many webhook pods")
      ->type_name("NUMBER")
      ->check(quiet(CLI::Range(0, 100)))
      ->capture_default_str();
  command
      ->add_option("--failure-policy", options->failure_policy,
                   "When no webhook answers: Ignore admits pods unchanged, Fail refuses them")
      ->type_name("POLICY")
      ->check(quiet(CLI::IsMember({"Ignore", "Fail"})))
      ->capture_default_str();
  command
      ->add_option("--certificates", options->certificates,
                   "Who looks after the webhook's certificate: self (the webhook), cert-manager, or secret=NAME in "
                   "namespace gpuinfer-system (you)")
      ->type_name("WHO")
      ->check(quiet(CLI::Validator(certificates_problem, "WHO")))
      ->capture_default_str();
  command
      ->add_option("--exclude-namespace", options->excluded_namespaces,
                   "A namespace whose pods never reach the webhook, besides kube-system and the like; may be repeated")
      ->type_name("NAMESPACE")
      ->take_all()
      ->allow_extra_args(false);
  command
      ->add_option("--toleration", options->tolerations,
                   "A taint that the webhook's own pods tolerate: key[=value][:effect]; may be repeated")
      ->type_name("TAINT")
      ->take_all()
      ->allow_extra_args(false);
  add_dry_run_option(*command, options->dry_run);
  add_output_option(*command, options->output);
  add_wait_option(*command, options->wait, "the webhook answers");
  add_timeout_option(*command, options->timeout);
  add_global_options(*command, global);
  add_examples(*command, {{"With the built-in policy", "kubectl gpuinfer install"},
                          {"Images through your own ECR pull-through cache",
                           "kubectl gpuinfer install --ecr 111122223333.dkr.ecr.us-west-2.amazonaws.com"},
                          {"On the nodes that EKS reserves for add-ons",
                           "kubectl gpuinfer install --toleration CriticalAddonsOnly"},
                          {"With certificates of cert-manager, and nothing for Karpenter's own namespace",
                           "kubectl gpuinfer install --certificates cert-manager --exclude-namespace karpenter"},
                          {"Only show the objects", "kubectl gpuinfer install --dry-run=client -o yaml"}});
  command->callback([options, &global] { install(*options, global); });
}

}  // namespace gpuinfer::plugin
