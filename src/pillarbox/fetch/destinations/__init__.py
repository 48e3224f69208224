"""The built-in destinations: one file each."""
