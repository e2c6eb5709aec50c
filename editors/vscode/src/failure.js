// Messages for a server that does not run. Does not use VS Code.
"use strict";

const INSTALL = "Install it with `pip install 'hvaedsl[lsp]'`, or set its path in the settings.";
const MAX_LINES = 3;
const FRAMES = /[\u2500-\u257f]+/g; // box drawing that terminal programs put around errors

// A program that could not be started; `error` comes from node's `spawn`.
function notStarted(command, error) {
  const program = command[0];
  switch (error.code) {
    case "ENOENT":
      return `hvaedsl: \`${program}\` was not found. ${INSTALL}`;
    case "EACCES":
      return `hvaedsl: \`${program}\` is not executable. ${INSTALL}`;
    default:
      return `hvaedsl: \`${program}\` could not be started (${error.message}). ${INSTALL}`;
  }
}

// A program that exited; `exit` is {code, signal, stderr}, `when` describes when.
function ended(command, exit, when) {
  const how = exit.signal ? `was terminated by ${exit.signal}` : `exited with code ${exit.code}`;
  const lines = exit.stderr.replace(FRAMES, " ").split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
  const output = lines.length > 0 ? ` Output: ${lines.slice(-MAX_LINES).join(" ")}` : "";
  return `hvaedsl: \`${command.join(" ")}\` ${how}${when}.${output}`;
}

// A program that runs but does not answer, or does not speak the protocol.
function silent(command, seconds) {
  const what = seconds ? `has not answered for ${seconds} seconds` : "does not answer as a language server";
  return `hvaedsl: \`${command.join(" ")}\` ${what}. ${INSTALL}`;
}

module.exports = { ended, notStarted, silent };
