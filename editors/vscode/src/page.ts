// The page of the preview, as text.

/** Return a text with the characters escaped that have a meaning in HTML. */
export function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

/**
 * Return the page with a picture and, while the text has errors, their number.
 * The page runs no script and loads nothing: the picture is a data URI.
 */
export function page(title: string, svg: string, message: string): string {
  const picture = svg
    ? `<img alt="Picture of the network ${escaped(title)}" src="data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}">`
    : '';
  const note = message ? `<p role="status">${escaped(message)}</p>` : '';
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>
body { padding: 1rem; }
img { background: #fff; max-width: 100%; padding: 0.5rem; box-sizing: border-box; }
p { white-space: pre-wrap; }
</style>
</head>
<body>${note}${picture}</body>
</html>`;
}
