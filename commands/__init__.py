"""What people can ask, described once for every platform."""
