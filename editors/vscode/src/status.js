// The entry of the language status menu (`{}` in the status bar) for specs.
"use strict";

const vscode = require("vscode");

const OUTPUT = { title: "Show Output", command: "hvaedsl.showOutput" };
const RESTART = { title: "Restart", command: "hvaedsl.restart" };

function statusOf(servers, trusted) {
  const { Error, Information, Warning } = vscode.LanguageStatusSeverity;
  if (!trusted) {
    const command = { title: "Manage Trust", command: "workbench.trust.manage" };
    return { text: "hvaedsl: off", detail: "the folder is not trusted", severity: Warning, busy: false, command };
  }
  const failure = servers.failure;
  if (failure !== undefined) {
    return { text: "hvaedsl: not running", detail: failure, severity: Error, busy: false, command: OUTPUT };
  }
  const [version] = servers.versions;
  const text = version === undefined ? "hvaedsl: starting" : `hvaedsl ${version}`;
  const busy = servers.starting;
  return { text, detail: "language server", severity: Information, busy, command: RESTART };
}

module.exports = { statusOf };
