"""What is told: a verdict, and its JSON, page, JUnit XML and summary."""
