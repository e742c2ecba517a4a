"""One run by several processes and machines, over Locust's master and workers."""
