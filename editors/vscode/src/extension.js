// Starts `hvaedsl lsp` and shows the bridge of a spec beside its text. What the language means is the server's business.
"use strict";

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");
const { page } = require("./page");

let client;
const panels = new Map(); // by the URI of the spec

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("hvaedsl.showBridge", showBridge),
    vscode.commands.registerCommand("hvaedsl.restart", restart),
    vscode.workspace.onDidSaveTextDocument((document) => refresh(document.uri.toString())),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("hvaedsl.command")) {
        restart();
      }
    }),
  );
  await start();
}

async function deactivate() {
  await stop();
}

function command() {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? "";
  const written = vscode.workspace.getConfiguration("hvaedsl").get("command");
  return written.map((part) => part.replaceAll("${workspaceFolder}", folder));
}

async function start() {
  const [program, ...args] = command();
  const made = new LanguageClient(
    "hvaedsl",
    "hvaedsl",
    { command: program, args },
    {
      documentSelector: [{ language: "hvae" }],
      synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.hvae") },
    },
  );
  try {
    await made.start();
    client = made;
  } catch (error) {
    const settings = "Open settings";
    const chosen = await vscode.window.showErrorMessage(
      `hvaedsl: \`${[program, ...args].join(" ")}\` could not be started (${error.message ?? error}). ` +
        "Install it with pip install 'hvaedsl[lsp]', or say in the settings where it is.",
      settings,
    );
    if (chosen === settings) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "hvaedsl.command");
    }
  }
}

async function stop() {
  const running = client;
  client = undefined;
  await running?.stop();
}

async function restart() {
  await stop();
  await start();
}

async function showBridge() {
  const document = vscode.window.activeTextEditor?.document;
  if (document?.languageId !== "hvae") {
    vscode.window.showInformationMessage("hvaedsl: open a .hvae file first.");
    return;
  }
  const uri = document.uri.toString();
  let panel = panels.get(uri);
  if (panel === undefined) {
    const beside = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    panel = vscode.window.createWebviewPanel("hvaedsl.bridge", "Bridge", beside, { enableScripts: false });
    panel.onDidDispose(() => panels.delete(uri));
    panels.set(uri, panel);
  } else {
    panel.reveal(vscode.ViewColumn.Beside, true);
  }
  await refresh(uri);
}

// Every open picture when any spec is saved: it may extend the one that was.
async function refresh(saved) {
  if (!saved.endsWith(".hvae") && !panels.has(saved)) {
    return;
  }
  await Promise.all([...panels.keys()].map(draw));
}

async function draw(uri) {
  let view;
  try {
    if (client === undefined) {
      throw new Error("the language server is not running");
    }
    view = await client.sendRequest("workspace/executeCommand", { command: "hvaedsl.bridge", arguments: [uri] });
  } catch (error) {
    view = { name: "Bridge", svg: null, message: String(error.message ?? error) };
  }
  const panel = panels.get(uri);
  if (panel !== undefined) {
    panel.title = `Bridge: ${view.name}`;
    panel.webview.html = page(view);
  }
}

module.exports = { activate, deactivate };
