"""What people do: sessions, devices, keys, and the acts in the guide's chapters."""
