// Which program is started for which folder. Nothing here knows VS Code, so that it can be tried without one.
"use strict";

const path = require("node:path");

class SettingError extends Error {}

// Words of the setting with `${workspaceFolder}`, `${userHome}` and a leading `~/` put in. Throws `SettingError`.
function expanded(setting, folder, home) {
  if (!Array.isArray(setting) || setting.length === 0 || setting.some((word) => typeof word !== "string" || !word)) {
    throw new SettingError('`hvaedsl.command` is a list of words, such as ["hvaedsl", "lsp"]');
  }
  if (folder === undefined && setting.some((word) => word.includes("${workspaceFolder}"))) {
    throw new SettingError("`hvaedsl.command` speaks of ${workspaceFolder}, and no folder is open");
  }
  return setting.map((word) =>
    word
      .replace(/^~(?=[/\\])/, () => home)
      .replaceAll("${userHome}", () => home)
      .replaceAll("${workspaceFolder}", () => folder),
  );
}

// The program of a folder whose settings name none: the one in its `.venv`, else the one on the path.
function unset(folder, exists, platform) {
  const inside = platform === "win32" ? [".venv", "Scripts", "hvaedsl.exe"] : [".venv", "bin", "hvaedsl"];
  const own = folder === undefined ? undefined : path.join(folder, ...inside);
  return [own !== undefined && exists(own) ? own : "hvaedsl", "lsp"];
}

// Folders with the same command share a server. `wanted` is [{folder, command}], in the order of the window; where all
// of them agree, that one server also takes what lies outside of them.
function grouped(wanted) {
  const groups = new Map();
  for (const { folder, command } of wanted) {
    const key = JSON.stringify(command);
    const group = groups.get(key) ?? { command, folders: [] };
    group.folders.push(folder);
    groups.set(key, group);
  }
  const found = [...groups.values()];
  return found.map((group) => ({ ...group, everything: found.length === 1 }));
}

module.exports = { SettingError, expanded, grouped, unset };
