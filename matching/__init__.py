"""Who gets which job: a problem of columns in, an assignment with its reasons out."""
