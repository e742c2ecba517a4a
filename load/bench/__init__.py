"""How fast the generator itself is, beside others, against peers that do nothing (``make bench``)."""
