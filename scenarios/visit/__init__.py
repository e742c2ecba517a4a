"""What a visitor of somebody else's deployment keeps to: what is made is written down before, and taken away after."""
