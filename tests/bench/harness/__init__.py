"""What every benchmark uses: the broker, the processes under measurement, the machine."""
