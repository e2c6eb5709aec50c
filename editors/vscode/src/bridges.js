// Panels with the picture of each spec, which are redrawn when typing pauses.
"use strict";

const vscode = require("vscode");
const { page } = require("./page");

const PAUSE_MS = 300; // without a change until a picture is redrawn

class Bridges {
  // `execute(uri, command, ...args)` sends a command to the server of a text.
  constructor(execute) {
    this._execute = execute;
    this._panels = new Map(); // by the URI of the spec
    this._timer = undefined;
    this._drawing = undefined;
  }

  async show(document) {
    const uri = document.uri.toString();
    const beside = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    let panel = this._panels.get(uri);
    if (panel === undefined) {
      const options = { enableScripts: false, enableFindWidget: true, localResourceRoots: [] };
      panel = vscode.window.createWebviewPanel("hvaedsl.bridge", "Bridge", beside, options);
      panel.onDidDispose(() => this._panels.delete(uri));
      panel.onDidChangeViewState(() => this.refresh());
      this._panels.set(uri, panel);
    } else {
      panel.reveal(panel.viewColumn, true);
    }
    await this._draw(uri, panel);
  }

  // Redraws all visible pictures, because any of their texts may extend the one that has changed.
  refresh() {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this._drawAll(), PAUSE_MS);
  }

  dispose() {
    clearTimeout(this._timer);
    [...this._panels.values()].forEach((panel) => panel.dispose());
  }

  async _drawAll() {
    if (this._drawing !== undefined) {
      this.refresh(); // the previous redraw has not finished
      return;
    }
    const seen = [...this._panels].filter(([, panel]) => panel.visible);
    this._drawing = Promise.all(seen.map(([uri, panel]) => this._draw(uri, panel)));
    await this._drawing;
    this._drawing = undefined;
  }

  async _draw(uri, panel) {
    let view;
    try {
      view = await this._execute(uri, "hvaedsl.bridge", uri);
    } catch (error) {
      view = { name: "", svg: null, message: String(error.message ?? error) };
    }
    if (this._panels.get(uri) === panel) {
      panel.title = view.name ? `Bridge: ${view.name}` : "Bridge";
      panel.webview.html = page(view);
    }
  }
}

module.exports = { Bridges };
