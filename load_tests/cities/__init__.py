"""Where demonstrations take place: who wants to go where, and how long a way really takes."""
