"""What is said, by which voice, and how long its audio may lie on this machine."""
