// Accepting the completion of a key or section opens the completions of its value.
"use strict";

const vscode = require("vscode");

const WITH_VALUE = new Set([vscode.CompletionItemKind.Property, vscode.CompletionItemKind.Module]);

async function provideCompletionItem(document, position, context, token, next) {
  const found = await next(document, position, context, token);
  for (const item of Array.isArray(found) ? found : (found?.items ?? [])) {
    if (WITH_VALUE.has(item.kind) || item.label === "extends") {
      item.command = { title: "Suggest", command: "editor.action.triggerSuggest" };
    }
  }
  return found;
}

module.exports = { provideCompletionItem };
