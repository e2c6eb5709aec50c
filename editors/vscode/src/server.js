// A process of `hvaedsl lsp` and its client. Each failure is reported once, with a message of our own.
"use strict";

const { spawn } = require("node:child_process");
const vscode = require("vscode");
const { CloseAction, ErrorAction, LanguageClient, State } = require("vscode-languageclient/node");
const { ended, notStarted, silent } = require("./failure");

const KEPT_CHARACTERS = 4000; // of the last standard error output
const RESTARTS = 3; // in three minutes, then it is not restarted again
const PATIENCE_SECONDS = 20; // for the first answer until the user is told
const EXIT_MS = 1000; // between the end of the output of a program and its exit

class Client extends LanguageClient {
  // During the start the library would report one failure three times.
  error(message, data, show) {
    super.error(message, data, this.state === State.Running ? show : false);
  }

  // The library also stops a client that never ran, and then reports that it cannot.
  async stop(timeout) {
    if (this.state === State.Running) {
      await super.stop(timeout);
    }
  }

  // The library registers the commands of a server in VS Code, which fails for a second server.
  registerFeature(feature) {
    if (feature.registrationType?.method !== "workspace/executeCommand") {
      super.registerFeature(feature);
    }
  }
}

class Server {
  // `group` is one of `grouped`; `report` takes the message of a failure, `changed` is called when the state changes.
  constructor(group, output, report, changed, middleware) {
    this.group = group;
    this.failure = undefined;
    this._report = report;
    this._changed = changed;
    this._stopping = false;
    this._lost = new Promise((_, reject) => (this._lose = reject)); // the library keeps waiting for a program that has exited
    this._lost.catch(() => undefined);
    this._client = new Client("hvaedsl", "hvaedsl", () => this._spawn(), this._options(output, middleware));
    this._client.onDidChangeState(changed);
    this._crashes = this._client.createDefaultErrorHandler(RESTARTS);
  }

  get running() {
    return this._client.state === State.Running;
  }

  get version() {
    return this._client.initializeResult?.serverInfo?.version ?? "";
  }

  // Resolves when it runs or has failed, with the reason in `failure`.
  async start() {
    const slow = setTimeout(() => this._fail(silent(this.group.command, PATIENCE_SECONDS)), PATIENCE_SECONDS * 1000);
    try {
      await Promise.race([this._client.start(), this._lost]);
      this.failure = undefined;
    } catch (error) {
      if (!this._stopping) {
        this._fail(await this._why(error));
      }
    } finally {
      clearTimeout(slow);
    }
  }

  // Also ends a program that has not answered yet, so that `start` resolves.
  async stop() {
    this._stopping = true;
    await this._client.stop().catch(() => undefined);
    this._child?.kill();
  }

  async execute(command, ...args) {
    return this._client.sendRequest("workspace/executeCommand", { command, arguments: args });
  }

  _options(output, middleware) {
    const { everything, folders } = this.group;
    const inside = (folder) => ({ language: "hvae", pattern: new vscode.RelativePattern(folder, "**/*") });
    return {
      documentSelector: everything ? [{ language: "hvae" }] : folders.map(inside),
      workspaceFolder: folders.length === 1 ? folders[0] : undefined,
      outputChannel: output,
      initializationFailedHandler: () => false,
      errorHandler: { error: (...all) => this._garbled(...all), closed: () => this._closed() },
      middleware,
    };
  }

  // The process, once it has started.
  async _spawn() {
    const [program, ...args] = this.group.command;
    const child = spawn(program, args, { cwd: this.group.folders[0]?.uri.fsPath });
    const exit = { code: null, signal: null, stderr: "" };
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text) => (exit.stderr = (exit.stderr + text).slice(-KEPT_CHARACTERS)));
    child.stdin.on("error", () => undefined); // the program has exited, which is reported instead
    this._child = child;
    this._exit = new Promise((resolve) => child.once("close", (code, signal) => resolve({ ...exit, code, signal })));
    return new Promise((resolve, reject) => {
      child.once("spawn", () => resolve(child));
      child.once("error", reject);
    });
  }

  _garbled(error, message, count) {
    if (!this.running) {
      this._lose(error);
      return { action: ErrorAction.Continue, handled: true };
    }
    return this._crashes.error(error, message, count);
  }

  async _closed() {
    const left = { action: CloseAction.DoNotRestart, handled: true };
    if (!this.running) {
      this._lose(new Error("the connection was closed"));
    }
    if (this._stopping || !this.running) {
      return left;
    }
    const verdict = await this._crashes.closed();
    if (verdict.action === CloseAction.Restart) {
      return { ...verdict, handled: true };
    }
    this._fail(ended(this.group.command, await this._exit, ", too often to be restarted"));
    return left;
  }

  async _why(error) {
    if (this._child?.pid === undefined) {
      return notStarted(this.group.command, error);
    }
    const waited = new Promise((resolve) => setTimeout(resolve, EXIT_MS, undefined));
    const exit = await Promise.race([this._exit, waited]);
    this._child.kill();
    return exit === undefined
      ? silent(this.group.command)
      : ended(this.group.command, exit, " before it answered as a language server");
  }

  _fail(message) {
    this.failure = message;
    this._changed();
    this._report(message);
  }
}

module.exports = { Server };
