"""The REST server: the same tasks, rules and voices, for programs."""
