"""Write topics: into what a producer has not sent yet, or in bulk."""
