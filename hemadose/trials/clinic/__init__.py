"""What a clinic infers from its measurements, for many patients at once."""
