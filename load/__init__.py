"""What happens when many do it; nothing is there yet."""
