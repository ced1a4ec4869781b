"""Three demonstration trials, loaded as people and laboratories would: through services and over the labs' API."""
