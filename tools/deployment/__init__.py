"""Tries the files in ``deploy`` with the programs that they are written for."""
