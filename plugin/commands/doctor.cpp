// `doctor`: looks for what is wrong with the installation, and says what to do about it.
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "plugin/cluster_connection.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/doctor/doctor.hpp"
#include "plugin/example.hpp"
#include "plugin/output.hpp"

namespace gpuinfer::plugin {

namespace {

Colour colour_of(Severity severity) {
  return severity == Severity::kOk ? Colour::kGreen : severity == Severity::kWarning ? Colour::kYellow : Colour::kRed;
}

Json to_json(const Findings& findings) {
  Json list = Json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"check", finding.check}, {"severity", to_string(finding.severity)}, {"what", finding.what}});
    if (!finding.remedy.empty()) list.back()["remedy"] = finding.remedy;
  }
  return {{"healthy", is_healthy(findings)}, {"findings", list}};
}

void print_table(const Findings& findings) {
  const bool coloured = wants_colour(STDOUT_FILENO);
  Table table({"CHECK", "RESULT", "FINDING"});
  for (const Finding& finding : findings) {
    table.add_row({finding.check, {to_string(finding.severity), colour_of(finding.severity)}, finding.what});
  }
  table.print(std::cout, coloured);
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::kOk) continue;
    std::cout << '\n' << paint(finding.what, colour_of(finding.severity), coloured) << "\n  " << finding.remedy << '\n';
  }
}

void examine_cluster(const std::string& output, const GlobalOptions& global) {
  kube::Client client = connect(global);
  const Findings findings = examine(gather_webhook_facts(client));
  if (output == "table") {
    print_table(findings);
  } else {
    print_value(std::cout, to_json(findings), output);
  }
  const auto needs_attention = [](const Finding& finding) { return finding.severity != Severity::kOk; };
  const auto count = std::ranges::count_if(findings, needs_attention);
  if (count > 0) throw Error(std::to_string(count) + " findings need attention", "each says above what to do about it");
}

}  // namespace

void add_doctor_command(CLI::App& program, GlobalOptions& global) {
  auto output = std::make_shared<std::string>("table");
  CLI::App* command = program.add_subcommand("doctor", "Find out what is wrong with the installation");
  add_output_option(*command, *output, {"table", "yaml", "json"});
  add_global_options(*command, global);
  add_examples(*command, {{"Everything, with what to do about it; exit code 1 where something is wrong",
                           "kubectl gpuinfer doctor"},
                          {"For programs", "kubectl gpuinfer doctor -o json"}});
  command->callback([output, &global] { examine_cluster(*output, global); });
}

}  // namespace gpuinfer::plugin
