"""Programs that verify sends to a machine: standard library only, JSON on stdin, JSON on stdout."""
