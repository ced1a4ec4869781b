"""Speaking to servers of others: whom we may reach, how a message is signed, and how it is posted. Knows no Django."""
