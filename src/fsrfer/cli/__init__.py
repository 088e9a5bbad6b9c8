"""The ``fsrfer`` command: one module a sub-command, heavy imports inside."""
