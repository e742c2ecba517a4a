"""The crowd: somebody with devices and keys, what they do, and all of one process together."""
