"""What the demonstration tells of besides single payments: incidents, merchants with frequent fraud, replays."""
