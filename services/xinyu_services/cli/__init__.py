"""The composition root: builds every object of a process, passes them as arguments, and is the command line."""
