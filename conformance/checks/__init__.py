"""What must hold, as functions over the transport: the suite calls them once, a crowd may call them while it works."""
