"""What an authorization does not say by itself: its EMV 3-D Secure verdict and its merchant's compliance."""
