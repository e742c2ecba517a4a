"""What must hold: the charter, the checks, the plugin that judges, and the search for traces."""
