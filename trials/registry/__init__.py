"""The structured protocol as plain data, and what is made of it: differences, the registries' records. No Django."""
