"""The lab: a Proxmox-compatible API over real LXC containers, on one machine.

A separate program (`python -m lab`): it imports nothing else of this repository.
"""
