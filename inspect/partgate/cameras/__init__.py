"""Camera drivers: one file a device, config class and driver; all behind the promise in ``base.py``."""
