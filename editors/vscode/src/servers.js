// The servers of a window: one for all folders, or one per command if the settings of the folders differ.
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const vscode = require("vscode");
const { SettingError, expanded, grouped, defaultCommand } = require("./command");
const { Server } = require("./server");

class Servers {
  // `report` takes the message of a failure, `changed` is called when a server has started or failed.
  constructor(output, report, changed, middleware) {
    this._output = output;
    this._report = report;
    this._changed = changed;
    this._middleware = middleware;
    this._servers = [];
    this._turn = Promise.resolve();
    this._settingError = undefined; // message about an invalid setting
  }

  // The message of the first failure.
  get failure() {
    return this._settingError ?? this._servers.find((server) => server.failure)?.failure;
  }

  get starting() {
    return this._servers.some((server) => !server.running && !server.failure);
  }

  get versions() {
    return this._servers.filter((server) => server.running).map((server) => server.version);
  }

  // Starts the servers that the settings require and stops the others. Calls are queued, because the settings can
  // change while a server starts.
  reconcile() {
    return this._after(() => this._reconcile());
  }

  restart() {
    return this._after(async () => {
      await this._stop(this._servers);
      await this._reconcile();
    });
  }

  stop() {
    return this._after(() => this._stop(this._servers));
  }

  // The server of a text.
  of(uri) {
    const folder = vscode.workspace.getWorkspaceFolder(uri);
    return this._servers.find(({ group }) => group.everything || group.folders.includes(folder));
  }

  any() {
    return this._servers.find((server) => server.running);
  }

  _after(action) {
    this._turn = this._turn.then(action, action);
    this._servers.filter((server) => !server.running).forEach((server) => server.stop()); // not awaited
    return this._turn;
  }

  async _reconcile() {
    let groups = [];
    this._settingError = undefined;
    try {
      groups = configuredGroups();
    } catch (error) {
      if (!(error instanceof SettingError)) {
        throw error;
      }
      this._settingError = `hvaedsl: ${error.message}.`;
      this._report(this._settingError);
    }
    const keys = groups.map(keyOf);
    await this._stop(this._servers.filter((server) => !server.running || !keys.includes(keyOf(server.group))));
    const known = this._servers.map((server) => keyOf(server.group));
    const made = groups
      .filter((group) => !known.includes(keyOf(group)))
      .map((group) => new Server(group, this._output, this._report, this._changed, this._middleware));
    this._servers.push(...made);
    this._changed();
    await Promise.all(made.map((server) => server.start()));
    this._changed();
  }

  async _stop(servers) {
    this._servers = this._servers.filter((server) => !servers.includes(server));
    await Promise.all(servers.map((server) => server.stop()));
  }
}

function configuredGroups() {
  const folders = vscode.workspace.workspaceFolders ?? [undefined];
  return grouped(folders.map((folder) => ({ folder, command: commandOf(folder) }))).map((group) => ({
    ...group,
    folders: group.folders.filter((folder) => folder !== undefined),
  }));
}

function commandOf(folder) {
  const settings = vscode.workspace.getConfiguration("hvaedsl", folder?.uri);
  const path = folder?.uri.fsPath;
  const configured = settings.get("command");
  return configured === null ? defaultCommand(path, fs.existsSync, process.platform) : expanded(configured, path, os.homedir());
}

function keyOf(group) {
  return JSON.stringify([group.command, group.everything, group.folders.map((folder) => folder.uri.toString())]);
}

module.exports = { Servers };
