"""Trace formats, one module each: files in, checked records out."""
