// Starts `hvaedsl lsp` and shows the bridge of a spec beside its text; the server implements the language.
"use strict";

const vscode = require("vscode");
const { Bridges } = require("./bridges");
const { provideCompletionItem } = require("./completion");
const { Explanations } = require("./explanations");
const { Servers } = require("./servers");
const { statusOf } = require("./status");

const UNTRUSTED = "hvaedsl: this folder is not trusted, so the language server is not started.";

let servers;

function activate(context) {
  const { commands, languages, window, workspace } = vscode;
  const output = window.createOutputChannel("hvaedsl");
  const status = languages.createLanguageStatusItem("hvaedsl", { language: "hvae" });
  const bridges = new Bridges((uri, ...request) => execute(servers.of(vscode.Uri.parse(uri)), ...request));
  const explanations = new Explanations((...request) => execute(servers.any(), ...request));
  const changed = () => {
    Object.assign(status, statusOf(servers, workspace.isTrusted));
    bridges.refresh();
  };
  const middleware = { handleDiagnostics: explanations.handleDiagnostics, provideCompletionItem };
  servers = new Servers(output, (message) => showFailure(message, output), changed, middleware);
  const reconcile = () => {
    if (workspace.isTrusted) {
      servers.reconcile();
    }
  };
  const refresh = (document) => {
    if (document.languageId === "hvae") {
      bridges.refresh();
    }
  };
  context.subscriptions.push(
    output,
    status,
    bridges,
    commands.registerCommand("hvaedsl.showBridge", () => showBridge(bridges)),
    commands.registerCommand("hvaedsl.showOutput", () => output.show()),
    commands.registerCommand("hvaedsl.restart", restart),
    workspace.registerTextDocumentContentProvider(explanations.scheme, explanations),
    workspace.onDidChangeTextDocument((event) => refresh(event.document)),
    workspace.onDidSaveTextDocument(refresh),
    workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("hvaedsl.command") && reconcile()),
    workspace.onDidChangeWorkspaceFolders(reconcile),
    workspace.onDidGrantWorkspaceTrust(reconcile),
  );
  changed();
  reconcile(); // not awaited, so that the window opens at once
}

async function deactivate() {
  await servers?.stop();
}

async function execute(server, ...request) {
  if (server?.running) {
    return server.execute(...request);
  }
  const reason = server === undefined ? "hvaedsl: no server handles this file." : "hvaedsl: the server is starting.";
  throw new Error(vscode.workspace.isTrusted ? (servers.failure ?? reason) : UNTRUSTED);
}

async function restart() {
  if (vscode.workspace.isTrusted) {
    await servers.restart();
  } else {
    vscode.window.showWarningMessage(UNTRUSTED);
  }
}

async function showBridge(bridges) {
  const document = vscode.window.activeTextEditor?.document;
  if (document?.languageId === "hvae") {
    await bridges.show(document);
  } else {
    vscode.window.showInformationMessage("hvaedsl: open a .hvae file first.");
  }
}

async function showFailure(message, output) {
  const [settings, retry, log] = ["Open Settings", "Restart", "Show Output"];
  const chosen = await vscode.window.showErrorMessage(message, settings, retry, log);
  if (chosen === settings) {
    // In a remote window the user settings would not show it, because the program is on the remote machine.
    const command = vscode.workspace.workspaceFolders ? "openWorkspaceSettings" : "openSettings";
    await vscode.commands.executeCommand(`workbench.action.${command}`, { query: "hvaedsl.command" });
  } else if (chosen === retry) {
    await restart();
  } else if (chosen === log) {
    output.show();
  }
}

module.exports = { activate, deactivate };
