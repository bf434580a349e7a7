"""What every part that speaks to brokers shares: why a connection failed, and which rights are missing."""
