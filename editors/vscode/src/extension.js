// Starts `hvaedsl lsp` and shows the bridge of a spec beside its text. What the language means is the server's business.
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
  const bridges = new Bridges((uri, ...asked) => execute(servers.of(vscode.Uri.parse(uri)), ...asked));
  const explanations = new Explanations((...asked) => execute(servers.any(), ...asked));
  const changed = () => {
    Object.assign(status, statusOf(servers, workspace.isTrusted));
    bridges.refresh();
  };
  const middleware = { handleDiagnostics: explanations.handleDiagnostics, provideCompletionItem };
  servers = new Servers(output, (words) => tell(words, output), changed, middleware);
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
  reconcile(); // the window does not wait for it
}

async function deactivate() {
  await servers?.stop();
}

async function execute(server, ...asked) {
  if (server?.running) {
    return server.execute(...asked);
  }
  const reason = server === undefined ? "hvaedsl: no server looks after this." : "hvaedsl: the server is starting.";
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

async function tell(words, output) {
  const [settings, again, log] = ["Open Settings", "Restart", "Show Output"];
  const chosen = await vscode.window.showErrorMessage(words, settings, again, log);
  if (chosen === settings) {
    // Those of the user would not show it in a remote window, where a program is the remote machine's.
    const whose = vscode.workspace.workspaceFolders ? "openWorkspaceSettings" : "openSettings";
    await vscode.commands.executeCommand(`workbench.action.${whose}`, { query: "hvaedsl.command" });
  } else if (chosen === again) {
    await restart();
  } else if (chosen === log) {
    output.show();
  }
}

module.exports = { activate, deactivate };
