// The code of a finding is a link to what `hvaedsl explain` says of it.
"use strict";

const vscode = require("vscode");

const SCHEME = "hvaedsl-explain";

class Explanations {
  // `execute(command, ...args)` asks a server.
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
