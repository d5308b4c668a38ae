"""HTTP in, JSON out; one file a resource. The rules are in agenda/ and in the modules above."""
