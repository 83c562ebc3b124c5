"""CaImAn as an engine: our input, its computation in its own process, our outputs."""

from __future__ import annotations

from functools import cached_property

from napari_cnmf.engines.base import Algorithm, Job, Outcome, Reporter
from napari_cnmf.engines.caiman.discovery import CaimanSearch, find_caiman
from napari_cnmf.errors import EngineError
from napari_cnmf.params import CNMFParams


class CaimanEngine:
    """The reference implementation, in an interpreter of its own (Giovannucci et al. 2019).

    References
    ----------
    Giovannucci et al. (2019), eLife 8:e38173.
    """

    name = "caiman"
    title = "CaImAn"

    @cached_property
    def _search(self) -> CaimanSearch:
        return find_caiman()

    @property
    def search(self) -> CaimanSearch:
        """Result of the search for CaImAn; the first time takes seconds."""
        return self._search

    def look_again(self) -> CaimanSearch:
        """Search anew, after settings or environments have changed."""
        self.__dict__.pop("_search", None)
        return self._search

    def unavailable_reason(self) -> str | None:
        """Reason why CaImAn was not found, and the next step; ``None`` if it is there."""
        return None if self._search.found else self._search.reason

    def version(self) -> str | None:
        """Version of CaImAn, ``None`` when it was not found."""
        return self._search.found.version if self._search.found else None

    def algorithms(self) -> frozenset[Algorithm]:
        """Every algorithm: CaImAn can run all of them."""
        return frozenset(Algorithm)

    def unused_parameters(self, algorithm: Algorithm, params: CNMFParams) -> dict[str, str]:
        """Parameters that were set and CaImAn does not use, with the reason."""
        from napari_cnmf.params import unused_parameters

        return unused_parameters(params, "caiman")

    def run(self, job: Job, reporter: Reporter) -> Outcome:
        """Compute ``job`` in CaImAn's interpreter.

        Raises
        ------
        CancelledByUser
            All of CaImAn's processes are gone, and so is its scratch folder.
        CnmfError
            One readable reason; the log has CaImAn's own words.
        """
        from napari_cnmf.engines.caiman.run import run_job

        if self._search.found is None:
            raise EngineError(self._search.reason)
        return run_job(self._search.found, job, reporter)
