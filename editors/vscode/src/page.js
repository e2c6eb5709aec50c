// The page with the picture. It runs no script and loads nothing.
"use strict";

function escaped(text) {
  return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

// The picture is dark on white; in a dark theme its lightness is inverted and its hues are kept. The message remains
// visible while the page scrolls.
const STYLE = `
  body { background: var(--vscode-editor-background); color: var(--vscode-editor-foreground); margin: 1em; }
  p {
    position: sticky; top: 0; margin: 0 0 1em; padding: 0.5em 1em;
    background: var(--vscode-inputValidation-warningBackground, var(--vscode-editor-background));
    border: 1px solid var(--vscode-inputValidation-warningBorder); color: var(--vscode-editor-foreground);
    font-family: var(--vscode-font-family);
  }
  svg { max-width: 100%; height: auto; }
  .vscode-dark svg, .vscode-high-contrast:not(.vscode-high-contrast-light) svg { filter: invert(1) hue-rotate(180deg); }
  svg > g > polygon:first-of-type { fill: none; }
`;

// `view` is the result of the server's command `hvaedsl.bridge`.
function page(view) {
  const picture = view.svg === null ? "" : view.svg.slice(view.svg.indexOf("<svg"));
  const message = view.message ? `<p role="status">${escaped(view.message)}</p>` : "";
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline';">
<style>${STYLE}</style>
</head>
<body>${message}${picture}</body>
</html>`;
}

module.exports = { page };
