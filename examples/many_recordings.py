# %% [markdown]
# # Many recordings in a script
#
# You run one analysis on all recordings of a folder, keep the results as a study, and get one table of all cells.
# The script can be stopped and started again: what is done is not done twice.
# The project at its end needs an extra: `pip install "napari-cnmf[nwb]"`.
#
# In napari, the *Batch manager* and the *Project* dock do the same. A batch that a script made opens there.

# %% [markdown]
# ## 1. Recordings
#
# Here two small recordings are simulated, so that the page runs anywhere. Put a folder of yours in their place.

# %%
from pathlib import Path

import napari_cnmf as nc
from napari_cnmf.testing import simulate

folder = Path("recordings")
folder.mkdir(exist_ok=True)
for seed, animal in enumerate(["m1", "m2"]):
    path = folder / f"{animal} day1.tif"
    if not path.exists():
        recording = simulate(
            n_frames=500, size=(64, 64), n_cells=12, seed=seed
        )
        recording.write(path)
print(sorted(path.name for path in folder.iterdir()))

# %% [markdown]
# ## 2. One batch for all
#
# `batch.add` returns the item that is there already if nothing about it changed.
# A motion correction need not have run before the next step is added: items wait for their input.

# %%
batch = nc.Batch.open("many recordings", create=True)
params = nc.CNMFParams.preset("two-photon somata").replace(
    data={"fr": 15}, motion={"max_shifts": (4, 4)}, init={"gSig": (4, 4)}
)
items = {}
for path in sorted(folder.glob("*.tif")):
    motion = batch.add(
        "mcorr", path, params=params, name=f"{path.stem} motion"
    )
    items[path.stem] = batch.add(
        "cnmf", motion, params=params, name=path.stem
    )
batch.run(n_workers=1)  # on a large computer, more items at once
print(batch.df[["name", "state", "n_components", "n_accepted"]])

# %% [markdown]
# An item that fails does not stop the others. Its reason is in `item.error`, its log in `item.log_text()`.

# %%
for name, item in items.items():
    if item.error:
        print(name, "failed:", item.error)

# %% [markdown]
# ## 3. A project
#
# A project is a folder of samples, one for each recording, with the animal it came from.
# Samples are NWB files, for which you have installed the extra `nwb`.

# %%
project = nc.Project.open("my study", create=True)
known = set(project.df["SampleID"]) if len(project.df) else set()
for name, item in items.items():
    animal, trial = name.split()
    if f"{animal}-_-{trial}" not in known:
        project.add(
            item.result(),
            {"AnimalID": animal, "TrialID": trial, "genotype": "wt"},
        )
print(project.df[["AnimalID", "TrialID", "n_accepted"]])

# %% [markdown]
# ## 4. One table of all cells
#
# `project.rois` is a pandas table with one row for each component.

# %%
rois = project.rois
cells = rois[rois["accepted"]]
rates = cells.groupby("AnimalID")["event_rate_hz"]
print(rates.agg(["count", "mean"]).round(3))

# %%
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(5, 3))
for mouse, group in cells.groupby("AnimalID"):
    ax.plot(
        sorted(group["event_rate_hz"]),
        range(1, len(group) + 1),
        drawstyle="steps-post",
        label=str(mouse),
    )
ax.set(xlabel="events per second", ylabel="cells with at most this rate")
ax.legend()

# %% [markdown]
# ## Where to go next
#
# - [Batches and clusters](../how-to/batches.md): variants, several computers, SLURM.
# - [Projects](../how-to/projects.md): columns of your own, stimuli.
# - [The same cells over sessions](../how-to/sessions.md).
