// Which program is started for which folder. Does not use VS Code, so that it can be tested without it.
"use strict";

const path = require("node:path");

class SettingError extends Error {}

// The words of the setting with `${workspaceFolder}`, `${userHome}` and a leading `~/` expanded. Throws `SettingError`.
function expanded(setting, folder, home) {
  if (!Array.isArray(setting) || setting.length === 0 || setting.some((word) => typeof word !== "string" || !word)) {
    throw new SettingError('`hvaedsl.command` must be a list of words, such as ["hvaedsl", "lsp"]');
  }
  if (folder === undefined && setting.some((word) => word.includes("${workspaceFolder}"))) {
    throw new SettingError("`hvaedsl.command` uses ${workspaceFolder}, but no folder is open");
  }
  return setting.map((word) =>
    word
      .replace(/^~(?=[/\\])/, () => home)
      .replaceAll("${userHome}", () => home)
      .replaceAll("${workspaceFolder}", () => folder),
  );
}

// The default program of a folder: the one in its `.venv`, otherwise the one on the path.
function defaultCommand(folder, exists, platform) {
  const inside = platform === "win32" ? [".venv", "Scripts", "hvaedsl.exe"] : [".venv", "bin", "hvaedsl"];
  const own = folder === undefined ? undefined : path.join(folder, ...inside);
  return [own !== undefined && exists(own) ? own : "hvaedsl", "lsp"];
}

// Groups folders with the same command, which share a server. `configured` is [{folder, command}], in the order of the
// window; if there is one group, its server also handles files outside of the folders.
function grouped(configured) {
  const groups = new Map();
  for (const { folder, command } of configured) {
    const key = JSON.stringify(command);
    const group = groups.get(key) ?? { command, folders: [] };
    group.folders.push(folder);
    groups.set(key, group);
  }
  const found = [...groups.values()];
  return found.map((group) => ({ ...group, everything: found.length === 1 }));
}

module.exports = { SettingError, expanded, grouped, defaultCommand };
