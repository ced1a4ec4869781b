"""Pages: parse, call one selector or service, answer."""
