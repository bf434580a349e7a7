"""What policies do to where merchants stand and to the schemes' programmes: blocked fraud brings no report."""
