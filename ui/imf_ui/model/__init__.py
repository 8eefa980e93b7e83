"""What the editor edits, as plain data and pure functions; nothing here knows Qt."""
