# %% [markdown]
# # A miniscope recording
#
# One-photon recordings have a strong, smooth background. You correct motion with a filter, find cells with
# CNMF-E, and get detrended traces. It takes a minute with the sample recording.
#
# In napari, open *Plugins > CNMF > Workspace* and follow its steps: Movie, Motion, Cells, Curate, Export.

# %% [markdown]
# ## 1. Movie
#
# *File > Open Sample > CNMF* has this recording, too. Files of the UCLA Miniscope and of Inscopix open like others:
# see [Open a recording](../how-to/open-recordings.md).

# %%
import napari_cnmf as nc

movie = nc.sample("one-photon")
print(movie)

# %% [markdown]
# ## 2. Motion
#
# Vessels and the dark rim hold still while the brain moves. Set `gSig_filt` to about the radius of a cell,
# so that only structures of a cell's size are followed.

# %%
batch = nc.Batch.open("miniscope", create=True)
motion = batch.add(
    "mcorr",
    movie,
    params={"motion": {"max_shifts": (8, 8), "gSig_filt": (5, 5)}},
    name="motion",
)

# %% [markdown]
# ## 3. Cells
#
# Choose *CNMF-E* and the preset *one-photon*. The size of a cell matters most. Let it be measured:

# %%
found = nc.suggest(movie, one_photon=True)
print(found.settings)

# %% [markdown]
# *Parameter lab* shows the same on the picture, with rings around the clearest cells.
#
# ![Seeds of a one-photon recording while the thresholds move](../images/lab-seeds.png)

# %%
params = found.applied_to(nc.CNMFParams.preset("one-photon"))
item = batch.add("cnmfe", motion, params=params, name="cells")
batch.run()
print(batch.df[["name", "state", "n_components", "n_accepted"]])

# %% [markdown]
# ## 4. Curate

# %%
cur = item.result()
cur.plot_contours(image="correlation")
# %%
cur.plot_traces(cur.ids[cur.accepted][:6])
# %% [markdown]
# ## 5. Export
#
# One-photon light has no baseline that means anything, because most of it is not the cell's.
# So the traces are **detrended** fluorescence, never dF/F, and the files call them so.

# %%
folder = nc.export(cur, "csv", "miniscope tables", overwrite=True)
print(sorted(path.name for path in folder.iterdir()))

# %% [markdown]
# ## Where to go next
#
# - [One-photon recordings](../how-to/one-photon.md): the background, seeds, CaImAn's ring.
# - [The same cells over sessions](../how-to/sessions.md), for days of recordings.
