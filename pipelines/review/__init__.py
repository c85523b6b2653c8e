"""What people look at: the books as data, and as tables in a terminal."""
