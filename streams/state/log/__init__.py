"""The logs of profiles: records, markers, and how they are read and written."""
