"""Bad input by the hundred thousand: messages for each service, files for each reader; a clear error, or no error."""
