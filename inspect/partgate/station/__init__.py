"""The line: one loop from trigger to verdict, its settings, the camera it watches, and the machine's check-up."""
