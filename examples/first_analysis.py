# %% [markdown]
# # First analysis
#
# You find the cells of a small two-photon recording, check them and export their traces.
# It takes ten minutes in napari, or one minute as code. You need nothing but napari-cnmf
# ([install it](../how-to/install.md)); the recording is simulated on your computer.
#
# In napari, open *Plugins > CNMF > Workspace*. It leads through five steps:
# **Movie, Motion, Cells, Curate, Export**. The green button does the next thing, and you can go to any step at any time.
# The same five steps are below, each first in words, then as code.
# You can paste the code into a notebook, and run it as often as you like.

# %% [markdown]
# ## 1. Movie
#
# *File > Open Sample > CNMF > Simulated two-photon recording*, or drop a recording of yours on the window.
# Play it: a few cells flash, and most of the field is background and noise.

# %%
import napari_cnmf as nc

movie = nc.sample("two-photon")
print(movie)

# %% [markdown]
# With a recording of yours, write `movie = nc.open_movie("movie.tif")`. The table above shows what its files say.
# If they do not say the frame rate, you are asked for it. It is never guessed.
#
# ## 2. Motion
#
# The brain moves while you record. Correct that first: what moves looks like cells. The step *Motion* looks at a sample
# of the movie and says how far the field moves.
# Every run is an *item* of a *batch*, a folder that keeps parameters and results together.

# %%
batch = nc.Batch.open("first analysis", create=True)
motion = batch.add(
    "mcorr", movie, params={"motion": {"max_shifts": (5, 5)}}, name="motion"
)

# %% [markdown]
# ## 3. Cells
#
# The step *Cells* shows beside each number what was measured on your movie. Two of them matter most:
#
# - **Cell radius** (`gSig`): half the width of a cell in pixels. Here it is 5.
# - **Decay time** of your indicator: 0.4 s for GCaMP6f, 1 s or more for GCaMP6s.
#
# ![The form of the parameters](../images/dock-parameters.png)
#
# *Find cells* starts a separate process, so napari stays usable. Everything that was run is kept in the batch. The first run after the installation takes some
# seconds longer, because parts of the engine are compiled once.

# %%
params = nc.CNMFParams.preset("two-photon somata").replace(
    init={"gSig": (5, 5)}
)
item = batch.add("cnmf", motion, params=params, name="cells")
batch.run()
print(batch.df[["name", "state", "n_components", "n_accepted"]])

# %% [markdown]
# ## 4. Curate
#
# The result opens by itself. Blue outlines are accepted, orange ones are rejected.
# Click on a cell to see its trace. Are there bright cells without an outline? Point at one and press **H** to ask why.
#
# ![The demo recording with its cells, traces and curation](../images/demo-result.png)
#
# Move the thresholds and watch the counts. Then go through the cells: **J** next, **A** accept, **R** reject.
# **Ctrl+Z** takes back anything, also tomorrow ([all keys](../reference/keys.md)).

# %%
cur = item.result()
cur.set_thresholds(min_SNR=2.5)
cur.plot_contours()
# %%
accepted = cur.ids[cur.accepted]
cur.plot_traces(accepted[:6])
# %% [markdown]
# ## 5. Export
#
# In *Export*, tick [formats](../how-to/export.md) and press *Export*. CSV opens everywhere.

# %%
import pandas as pd

folder = nc.export(cur, "csv", "first tables", overwrite=True)
traces = pd.read_csv(folder / "traces_dff.csv", index_col="time_s")
print(traces.iloc[:3, :5])

# %% [markdown]
# ## Where to go next
#
# - [Choose parameters on your own recording](../how-to/choose-parameters.md).
# - [Many recordings in a script](many-recordings.md).
# - [Curation in full](../how-to/curate.md).
# - [How far can I trust the result?](../background/trust.md)
