// The extension's own logic, tried without VS Code: `vscode` and the protocol library are stood in for below.
"use strict";

const assert = require("node:assert/strict");
const Module = require("node:module");
const path = require("node:path");
const { test } = require("node:test");

const SOURCE = path.join(__dirname, "..", "..", "editors", "vscode", "src");
const State = { Stopped: 1, Running: 2, Starting: 3 };

// Starts the program as the library does, and answers once it has written a line that says so.
class LanguageClient {
  constructor(id, name, program, options) {
    Object.assign(this, { program, options, state: State.Stopped, stopped: 0 });
    LanguageClient.made.push(this);
  }
  createDefaultErrorHandler() {
    return { error: () => ({}), closed: () => ({ action: 1 }) };
  }
  onDidChangeState() {}
  async start() {
    this.state = State.Starting;
    const child = await this.program();
    child.stdout.on("close", () => this.options.errorHandler.closed());
    await new Promise((resolve) => child.stdout.once("data", resolve));
    this.state = State.Running;
  }
  async stop() {
    this.state = State.Stopped;
    this.stopped += 1;
  }
  error() {}
}
LanguageClient.made = [];

const settings = new Map();
const vscode = {
  RelativePattern: class {
    constructor(folder, pattern) {
      Object.assign(this, { folder, pattern });
    }
  },
  workspace: {
    workspaceFolders: undefined,
    createFileSystemWatcher: () => ({}),
    getConfiguration: (_, uri) => ({ get: () => settings.get(uri?.name) ?? null }),
    getWorkspaceFolder: (uri) => vscode.workspace.workspaceFolders?.find((folder) => uri.under === folder.name),
  },
};
const standIns = {
  vscode,
  "vscode-languageclient/node": { CloseAction: { DoNotRestart: 1, Restart: 2 }, ErrorAction: {}, LanguageClient, State },
};
const load = Module._load;
Module._load = (name, ...rest) => standIns[name] ?? load(name, ...rest);

const { expanded, grouped, defaultCommand } = require(path.join(SOURCE, "command.js"));
const { Servers } = require(path.join(SOURCE, "servers.js"));

const ANSWERS = ["-e", "console.log('ready'); process.stdin.resume()"];
const here = (...args) => [process.execPath, ...args];

// The folders of the window with the command that each one's settings name.
function opened(commands) {
  settings.clear();
  LanguageClient.made = [];
  vscode.workspace.workspaceFolders = Object.entries(commands).map(([name, command]) => {
    settings.set(name, command);
    return { name, uri: { name, fsPath: __dirname, toString: () => `file:///${name}` } };
  });
  const told = [];
  return { told, servers: new Servers({}, (words) => told.push(words), () => undefined, {}) };
}

function running() {
  return LanguageClient.made.filter((client) => client.state === State.Running);
}

test("the words of the setting", () => {
  assert.deepEqual(expanded(["${workspaceFolder}/v/hvaedsl", "lsp"], "/a", "/home"), ["/a/v/hvaedsl", "lsp"]);
  assert.deepEqual(expanded(["~/v", "${userHome}", "a~/b"], undefined, "/home/$&"), ["/home/$&/v", "/home/$&", "a~/b"]);
  for (const wrong of ["hvaedsl lsp", [], [""], [1], {}]) {
    assert.throws(() => expanded(wrong, "/a", "/home"), /must be a list of words/);
  }
  assert.throws(() => expanded(["${workspaceFolder}/v"], undefined, "/home"), /no folder is open/);
});

test("where nothing is set, the folder's own environment comes first", () => {
  const own = path.join("/a", ".venv", "bin", "hvaedsl");
  assert.deepEqual(defaultCommand("/a", (file) => file === own, "linux"), [own, "lsp"]);
  assert.deepEqual(defaultCommand("/a", () => false, "linux"), ["hvaedsl", "lsp"]);
  assert.deepEqual(defaultCommand(undefined, () => true, "linux"), ["hvaedsl", "lsp"]);
  assert.match(defaultCommand("/a", () => true, "win32")[0], /Scripts.hvaedsl\.exe$/);
});

test("folders with the same command share a server", () => {
  const [one, two] = [["hvaedsl", "lsp"], ["other", "lsp"]];
  const together = grouped([{ folder: "a", command: one }, { folder: "b", command: [...one] }]);
  assert.deepEqual(together, [{ command: one, folders: ["a", "b"], everything: true }]);
  const apart = grouped([{ folder: "a", command: one }, { folder: "b", command: two }, { folder: "c", command: one }]);
  assert.deepEqual(apart.map((group) => [group.folders, group.everything]), [[["a", "c"], false], [["b"], false]]);
});

test("each text has the server of its folder", async () => {
  const { told, servers } = opened({ a: here(...ANSWERS), b: here(...ANSWERS, "--", "b") });
  await servers.reconcile();
  assert.equal(running().length, 2);
  assert.deepEqual(servers.of({ under: "b" }).group.folders.map((folder) => folder.name), ["b"]);
  assert.equal(servers.of({ under: "elsewhere" }), undefined);
  settings.set("b", here(...ANSWERS));
  await servers.reconcile();
  assert.equal(running().length, 1);
  assert.notEqual(servers.of({ under: "elsewhere" }), undefined);
  await servers.stop();
  assert.deepEqual([running().length, told], [0, []]);
});

test("settings that have not changed start nothing anew", async () => {
  const { servers } = opened({ a: here(...ANSWERS) });
  await servers.reconcile();
  await servers.reconcile();
  assert.equal(LanguageClient.made.length, 1);
  await servers.restart();
  assert.deepEqual([LanguageClient.made.length, running().length], [2, 1]);
  await servers.stop();
});

test("a program that says nothing keeps no other waiting", async () => {
  const { told, servers } = opened({ a: here("-e", "process.stdin.resume()") });
  servers.reconcile();
  await new Promise((resolve) => setTimeout(resolve, 200));
  settings.set("a", here(...ANSWERS));
  await servers.reconcile();
  assert.deepEqual([running().length, told], [1, []]);
  await servers.stop();
});

test("what cannot be had is told once, with a reason", async () => {
  const failing = "process.stderr.write('\u256d\u2500 Error \u2500\u256e\\nno such command\\n'); process.exit(2)";
  const cases = [
    [["hvaedsl-that-is-not-there", "lsp"], /^hvaedsl: `hvaedsl-that-is-not-there` was not found\. Install it/],
    [[__filename], /is not executable/],
    [here("-e", failing), /exited with code 2 before it answered.*Output: Error no such command$/],
    ["hvaedsl lsp", /must be a list of words/],
  ];
  for (const [command, words] of cases) {
    const { told, servers } = opened({ a: command });
    await servers.reconcile();
    assert.equal(told.length, 1, String(told));
    assert.match(told[0], words);
    assert.equal(servers.failure, told[0]);
    settings.set("a", here(...ANSWERS));
    await servers.reconcile();
    assert.deepEqual([servers.failure, running().length], [undefined, 1]);
    await servers.stop();
  }
});
