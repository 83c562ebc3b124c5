"""What a type checker must find in a user's script: ``make check`` fails where it does not.

Nothing here runs. mypy reports a ``type: ignore`` that ignores nothing, so each of them stands for
an error that it finds.
"""

from __future__ import annotations

import napari_cnmf as nc


def names(batch: nc.Batch, cur: nc.Curation) -> None:
    batch.add("cnfm", "movie.tif")  # type: ignore[arg-type]
    batch.add("cnmf", 5)  # type: ignore[arg-type]
    nc.export(cur, "cvs", "tables")  # type: ignore[arg-type]
    nc.CNMFParams.preset("two-foton somata")  # type: ignore[arg-type]
    nc.sample("two-foton")  # type: ignore[arg-type]


def ids(cur: nc.Curation) -> None:
    cur.reject("12")  # type: ignore[arg-type]
    cur.reject([1.9])  # type: ignore[list-item]
    cur.merge(1.0)  # type: ignore[arg-type]
    cur.dff(["0"])  # type: ignore[list-item]
    cur.reject(3)
    cur.accept([3, 4])
    cur.tag(cur.ids[cur.accepted], "red")
    cur.reject(cur.df.snr < 2)
    cur.reject(cur.accepted)
    cur.contours(range(3))


def results(batch: nc.Batch, project: nc.Project) -> None:
    first: list[nc.Item] = batch[0:3]
    nc.match_sessions([first[0], project[0], first[1].result(), "day 3.hdf5"])
    nc.open_result(first[0])
    nc.open_result(project[0])
    nc.explain_place(first[0], (3, 4))
    batch.run(first[0])
    batch.run(start="name")
    batch.run(start=0.5)  # type: ignore[arg-type]
