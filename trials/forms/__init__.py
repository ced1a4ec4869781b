"""The shapes that pages take. What they mean is decided in services."""
