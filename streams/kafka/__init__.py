"""One toolbox for all that speaks to brokers: reading, sending, fence, topics, rights, and why a connection failed."""
