"""Generated from proto/ by proto/generate.py: messages, stubs and servicers."""
