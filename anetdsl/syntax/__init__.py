"""Text to syntax: lossless tokens, statements with spans, and a message for every mistake."""
