"""Visual quality inspection: learns good and defect from pictures, judges parts, sends the sort signal."""

__version__ = "0.1.0"
