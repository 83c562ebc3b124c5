# %% [markdown]
# # A volume
#
# You analyse a recording of six planes in 3D: footprints span planes. It takes a minute with the sample recording.
#
# In napari, open *Plugins > CNMF > Workspace* and follow its steps: Movie, Motion, Cells, Curate, Export.
# *File > Open Sample > CNMF* has this recording.

# %% [markdown]
# ## 1. Movie
#
# The axes of a volume are time, planes, rows and columns: `(T, Z, Y, X)`.

# %%
import napari_cnmf as nc

movie = nc.sample("volume")
print(movie.shape, "at", movie.frame_rate_hz, "volumes per second")

# %% [markdown]
# If your file does not say which axis is which, tell it: `nc.open_movie("stack.tif", axes="TZYX")`.
#
# ## 2. Motion
#
# Three numbers: the largest shift along z, y and x. The sample does not move, so this step is left out here.
# Yours would read `batch.add("mcorr", movie, params={"motion": {"max_shifts": (1, 6, 6)}})`.
#
# ## 3. Cells
#
# `gSig` has three numbers, too: half the height of a cell in planes, then half its width in pixels.
# Let it be measured, and take what was found:

# %%
found = nc.suggest(movie)
print(found.settings)

# %%
batch = nc.Batch.open("volume", create=True)
params = found.applied_to(nc.CNMFParams.preset("volumetric"))
item = batch.add("cnmf", movie, params=params, name="cells")
batch.run()
print(batch.df[["name", "state", "n_components", "n_accepted"]])

# %% [markdown]
# ## 4. Curate
#
# In napari the components are one 3D layer. Press the cube below the layer list to turn it.
#
# ![Cells of a simulated volume in napari's 3D view](../images/volume-result.png)

# %%
cur = item.result()
print(
    cur.accepted.sum(), "cells accepted in a volume of", cur.components.dims
)
cur.plot_traces(cur.ids[cur.accepted][:6])
# %% [markdown]
# ## 5. Export
#
# *labels* writes a TIFF `(Z, Y, X)` where each cell has a number.

# %%
print(nc.export(cur, "labels", "volume labels.tif", overwrite=True))

# %% [markdown]
# ## Where to go next
#
# - [Volumes](../how-to/volumes.md): planes far apart, sizes, exports.
# - [Choose parameters](../how-to/choose-parameters.md).
