"""A second client, written from the specifications alone on the primitives of `cryptography`: it shares no line with the first.

The suite's own client stands on matrix-nio and, below it, vodozemac. Where both ends of a conversation run the same code, a
mistake in it is made on both and seen on neither. This one has its own Olm, Megolm, key sharing and attachments.
"""
