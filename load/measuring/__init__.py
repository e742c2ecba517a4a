"""What is measured while it runs: deliveries, latencies, the generator's health, the server's own figures."""
