"""Generated from proto/ by proto/generate.py: the schema of what crosses a process."""
