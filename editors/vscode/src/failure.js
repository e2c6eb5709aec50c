// What is said when the server cannot be had. Nothing here knows VS Code.
"use strict";

const INSTALL = "Install it with `pip install 'hvaedsl[lsp]'`, or say in the settings where it is.";
const MOST_LINES = 3;
const FRAMES = /[\u2500-\u257f]+/g; // which a terminal program draws around its errors

// A program that could not be started. `error` is what node's `spawn` gives.
function notStarted(command, error) {
  const program = command[0];
  switch (error.code) {
    case "ENOENT":
      return `hvaedsl: \`${program}\` was not found. ${INSTALL}`;
    case "EACCES":
      return `hvaedsl: \`${program}\` may not be executed. ${INSTALL}`;
    default:
      return `hvaedsl: \`${program}\` could not be started (${error.message}). ${INSTALL}`;
  }
}

// A program that ended. `exit` is {code, signal, stderr}, `when` how far it had come.
function ended(command, exit, when) {
  const how = exit.signal ? `was ended by ${exit.signal}` : `ended with exit code ${exit.code}`;
  const lines = exit.stderr.replace(FRAMES, " ").split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
  const said = lines.length > 0 ? ` It said: ${lines.slice(-MOST_LINES).join(" ")}` : "";
  return `hvaedsl: \`${command.join(" ")}\` ${how}${when}.${said}`;
}

// A program that runs and does not answer, or answers something else.
function silent(command, seconds) {
  const what = seconds ? `has not answered for ${seconds} seconds` : "does not answer as a language server does";
  return `hvaedsl: \`${command.join(" ")}\` ${what}. ${INSTALL}`;
}

module.exports = { ended, notStarted, silent };
