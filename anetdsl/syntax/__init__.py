"""Parse text into lossless tokens and statements with spans, with a message for every mistake."""
