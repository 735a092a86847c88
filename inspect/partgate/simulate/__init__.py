"""A controller and a conveyor to try a station without hardware; the wire code is its own, never the station's."""
