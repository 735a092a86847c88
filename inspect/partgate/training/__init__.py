"""Learning: what stands in a training file, features, the head, and the one loop from folder to recipe."""

import os

# albumentations asks a package index for its newest version when it is imported; partgate looks nothing up anywhere.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
