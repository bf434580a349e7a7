"""Compliance reports: read what the topics, or stored files, say of an acquirer, and write it as JSON, CSV and HTML."""
