"""What an acquirer sees of issuers: their part in EMV 3-D Secure, by BIN."""
