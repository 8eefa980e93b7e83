"""The editor's screens, put together from widgets and wired to a session."""
