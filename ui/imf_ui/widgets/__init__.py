"""The editor's building blocks: each shows state it is given and says what the user wants."""
