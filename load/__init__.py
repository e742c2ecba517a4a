"""What happens when many do it: the crowd, its schedule, what is measured, and who judges it."""
