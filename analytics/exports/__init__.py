"""A trial's tables as files: streamed one by one, or together in a zip that can be trusted."""
