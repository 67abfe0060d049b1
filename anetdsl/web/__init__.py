"""Pages in the browser that follow a file or a search: `anetc preview` and `anetc dashboard`."""
