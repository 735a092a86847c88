# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The first gate
#
# Look at the data, train, read the report. `make notebook` turns this file into `01-first-gate.ipynb`;
# the pictures are solar cells from the package `elpv-dataset` (CC BY-NC-SA 4.0: to try, not to ship).

# %%
import base64
import json
import tempfile
from pathlib import Path

import numpy as np
from IPython.display import HTML, Image

from partgate.data.folder import count_classes, read_folder
from partgate.data.solar_cells import lay_out_solar_cells
from partgate.imaging import encode_jpeg, read_picture
from partgate.report.report import evaluate
from partgate.training.config import load_training
from partgate.training.loop import train

work = Path(tempfile.mkdtemp())


def quietly(step: str, done: int, total: int) -> None:
    """Show no progress."""


# %% [markdown]
# ## Look at the data
# A labelled folder: a sub-folder per class, or a `labels.csv`. One class is the good one.

# %%
lay_out_solar_cells(work / "cells")
folder = read_folder(work / "cells")
print(dict(count_classes(folder.pictures)), "good class:", folder.good_class, "notes:", folder.notes)

# %%
rows = []
for label in folder.classes:
    some = [picture for picture in folder.pictures if picture.label == label][:6]
    rows.append(np.hstack([read_picture(picture.path)[:300, :300] for picture in some]))
Image(data=encode_jpeg(np.vstack(rows)), width=700)

# %% [markdown]
# ## Train
# The preset `quick`: features of a frozen pretrained backbone, a regularised linear head, limits from out-of-fold
# scores, and the proof that the exported model says what the trained one says.

# %%
result = train(load_training(work / "cells", "quick"), work / "run", quietly)
print(result.limits)
print("proof:", result.bundle.manifest.proof)

# %% [markdown]
# ## Read the report
# Only the test side is used: the model has never seen it, nor were limits chosen on it.

# %%
evaluation = evaluate(work / "run", work / "cells", work / "report", progress=quietly)
report = json.loads((work / "report" / "report.json").read_text(encoding="utf-8"))
keys = ("escapes", "n_defect", "escape_rate_upper95", "false_rejects", "n_good", "false_reject_rate_upper95", "auroc")
{key: report[key] for key in keys}

# %%
page = base64.b64encode((work / "report" / "report.html").read_bytes()).decode()
HTML(f'<iframe src="data:text/html;base64,{page}" width="100%" height="800"></iframe>')
