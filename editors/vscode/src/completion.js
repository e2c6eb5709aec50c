// A key or section that has been taken from the list is followed by the list of what may stand there.
"use strict";

const vscode = require("vscode");

const FOLLOWED = new Set([vscode.CompletionItemKind.Property, vscode.CompletionItemKind.Module]);

async function provideCompletionItem(document, position, context, token, next) {
  const found = await next(document, position, context, token);
  for (const item of Array.isArray(found) ? found : (found?.items ?? [])) {
    if (FOLLOWED.has(item.kind) || item.label === "extends") {
      item.command = { title: "Suggest", command: "editor.action.triggerSuggest" };
    }
  }
  return found;
}

module.exports = { provideCompletionItem };
