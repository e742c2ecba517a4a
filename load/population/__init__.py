"""Who there is before a run begins: drawn, made once, kept, and what stays of it on somebody else's deployment."""
