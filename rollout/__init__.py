"""The operator's Python beside the playbooks: secrets, releases, backups, status, drift."""
