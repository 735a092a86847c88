"""When the gate has paid for itself, as a range from the bounds of the measured rates."""
