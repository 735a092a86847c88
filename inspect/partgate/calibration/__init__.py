"""From the camera's picture to a straightened one: even light, no lens distortion, seen from right above, turned."""
