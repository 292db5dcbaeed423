"""Commands become events here, or are refused. Nothing in this package changes the state."""
