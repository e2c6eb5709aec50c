// Links the code of a diagnostic to its page of `hvaedsl explain`.
"use strict";

const vscode = require("vscode");

const SCHEME = "hvaedsl-explain";

class Explanations {
  // `execute(command, ...args)` sends a command to a server.
  constructor(execute) {
    this._execute = execute;
    this.scheme = SCHEME;
    this.handleDiagnostics = handleDiagnostics;
  }

  async provideTextDocumentContent(uri) {
    return this._execute("hvaedsl.explain", codeOf(uri));
  }
}

function handleDiagnostics(uri, diagnostics, next) {
  for (const found of diagnostics) {
    if (typeof found.code === "string") {
      found.code = { value: found.code, target: vscode.Uri.from({ scheme: SCHEME, path: `/${found.code}.md` }) };
    }
  }
  next(uri, diagnostics);
}

function codeOf(uri) {
  return uri.path.replace(/^\/|\.md$/g, "");
}

module.exports = { Explanations };
