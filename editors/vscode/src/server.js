// One `hvaedsl lsp` and the client that speaks with it. What goes wrong is told once, and in words of its own.
"use strict";

const { spawn } = require("node:child_process");
const vscode = require("vscode");
const { CloseAction, ErrorAction, LanguageClient, State } = require("vscode-languageclient/node");
const { ended, notStarted, silent } = require("./failure");

const KEPT_CHARACTERS = 4000; // of what the program said last on standard error
const RESTARTS = 3; // in three minutes, after which it is left alone
const PATIENCE_SECONDS = 20; // for the first answer, before the user is told
const EXIT_MS = 1000; // between the end of what a program writes and its own

class Client extends LanguageClient {
  // While it starts, the library would tell one failure in three ways.
  error(message, data, show) {
    super.error(message, data, this.state === State.Running ? show : false);
  }

  // The library also stops what has not come to run, and then complains that it cannot.
  async stop(timeout) {
    if (this.state === State.Running) {
      await super.stop(timeout);
    }
  }

  // The library makes the server's commands those of VS Code, and a second server could not do it again.
  registerFeature(feature) {
    if (feature.registrationType?.method !== "workspace/executeCommand") {
      super.registerFeature(feature);
    }
  }
}

class Server {
  // `group` is one of `grouped`; `tell` takes the words of a failure, `changed` is called when it runs or does not.
  constructor(group, output, tell, changed, middleware) {
    this.group = group;
    this.failure = undefined;
    this._tell = tell;
    this._changed = changed;
    this._stopping = false;
    this._lost = new Promise((_, reject) => (this._lose = reject)); // the library waits on for a program that has ended
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

  // Comes back when it runs, or cannot be had: `failure` says why.
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

  // One that has not answered yet is ended, and `start` comes back.
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

  // The program, once it is known to be one.
  async _spawn() {
    const [program, ...args] = this.group.command;
    const child = spawn(program, args, { cwd: this.group.folders[0]?.uri.fsPath });
    const exit = { code: null, signal: null, stderr: "" };
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text) => (exit.stderr = (exit.stderr + text).slice(-KEPT_CHARACTERS)));
    child.stdin.on("error", () => undefined); // a program that has ended; its exit is what is told
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
    this._fail(ended(this.group.command, await this._exit, ", and too often to be started again"));
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
      : ended(this.group.command, exit, " before it answered as a language server does");
  }

  _fail(words) {
    this.failure = words;
    this._changed();
    this._tell(words);
  }
}

module.exports = { Server };
