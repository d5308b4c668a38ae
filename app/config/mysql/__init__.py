"""Django's MySQL, with a limit for a server that is cut off: base.py, as Django names it."""
