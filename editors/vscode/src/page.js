// The page that holds the picture. No script runs in it, and nothing is loaded.
"use strict";

function escaped(text) {
  return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

// `view` is what the server's command `hvaedsl.bridge` gives.
function page(view) {
  const picture = view.svg === null ? "" : view.svg.slice(view.svg.indexOf("<svg"));
  const message = view.message ? `<p role="status">${escaped(view.message)}</p>` : "";
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline';">
<style>
  body { background: white; color: #333; font-family: sans-serif; margin: 1em; }
  p { background: #fff3cd; padding: 0.5em 1em; }
  svg { max-width: 100%; height: auto; }
</style>
</head>
<body>${message}${picture}</body>
</html>`;
}

module.exports = { page };
