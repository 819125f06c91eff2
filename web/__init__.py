"""The chat page's files, shipped as xinyu.web."""
