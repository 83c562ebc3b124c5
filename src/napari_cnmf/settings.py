"""A user's choices for this machine: one TOML file, read by GUI and command line."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_cnmf._atomic import write_text
from napari_cnmf._checks import check_path
from napari_cnmf._names import did_you_mean
from napari_cnmf._portable import expand_home
from napari_cnmf.errors import SettingsError

CONFIG_VARIABLE = "NAPARI_CNMF_CONFIG"
"""Environment variable that names another settings file, or the folder of one."""

S = TypeVar("S", bound=BaseModel)

_FILE_NAME = "settings.toml"
_MOST_RECENT = 10
_changing = threading.Lock()
"""Between reading and writing no other thread may write: its change would be lost."""
_HEADER = "# Settings of napari-cnmf on this computer. What is not named has its default.\n\n"


class Settings(BaseModel):
    """Choices that belong to a computer, never to a batch."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    caiman_python: str | None = Field(
        None,
        title="Interpreter of CaImAn",
        description="The Python of an environment in which CaImAn is installed.",
        min_length=1,
    )
    preset: str | None = Field(
        None,
        title="Preset",
        description="The preset a new form starts with.",
    )
    engine: str = Field(
        "auto",
        title="Engine",
        description="auto, builtin or caiman, unless a run says otherwise.",
    )
    auto_engine: Literal["builtin", "caiman"] | None = Field(
        None,
        title="What auto means",
        description="builtin or caiman for runs whose engine is auto; empty takes CaImAn where it "
        "is found.",
    )
    n_workers: int = Field(
        1, title="Items at once", description="Items that a queue runs side by side.", ge=1
    )
    n_processes: int | None = Field(
        None,
        title="Processes of an item",
        description="Threads or processes of one item; empty takes what is free.",
        ge=1,
    )
    memory_gb: float | None = Field(
        None,
        title="Memory of an item (GB)",
        description="Budget of one item; empty takes what is free.",
        gt=0,
    )
    curator: str | None = Field(
        None, title="Curator", description="Name under which edits are kept apart from others'."
    )
    recent_batches: tuple[str, ...] = Field(
        (), title="Recent batches", description="Folders, the latest first."
    )
    exports_beside: str | None = Field(
        None,
        title="Exports beside",
        description="Folder, chosen by hand, that holds a folder of exports for each result; empty "
        "takes the one of the movie.",
    )
    export_formats: tuple[str, ...] = Field(
        ("csv",), title="Formats of exports", description="Those that are ticked, by name."
    )
    workspace: dict[str, int] = Field(
        default_factory=dict,
        title="Workspace",
        description="Its width and the height of what stands below the canvas in pixels, and the "
        "number of its last step.",
    )
    tags: dict[str, str] = Field(
        default_factory=dict,
        title="Tags",
        description="{name: colour} of the tags that the keys 1 to 9 give, in that order.",
    )
    advance: bool = Field(
        True, title="Then next", description="After a decision go on to the next component."
    )
    follow: bool = Field(
        True, title="Follow", description="Move the view to what is selected in table and plots."
    )
    keys: dict[str, str] = Field(
        default_factory=dict,
        title="Keys",
        description="{action: key} of what differs from the keys that are built in.",
    )

    def replace(self, **changes: Any) -> Self:
        """Settings with some changed, checked again.

        Raises
        ------
        SettingsError
            For an unknown name or a value out of bounds.
        """
        return _checked(type(self), {**self.model_dump(), **changes}, "")

    def with_recent_batch(self, folder: str | os.PathLike[str]) -> Self:
        """Settings with ``folder`` as the latest batch; the ten latest are kept."""
        latest = str(Path(folder).absolute())
        others = [name for name in self.recent_batches if name != latest]
        return self.replace(recent_batches=(latest, *others)[:_MOST_RECENT])


def settings_path() -> Path:
    """Path of the settings file: ``NAPARI_CNMF_CONFIG``, else in the user's config folder."""
    named = os.environ.get(CONFIG_VARIABLE)
    if not named:
        return Path(platformdirs.user_config_dir("napari-cnmf", appauthor=False)) / _FILE_NAME
    path = expand_home(named)
    return path / _FILE_NAME if path.is_dir() else path


def read_settings(path: str | os.PathLike[str] | None = None) -> Settings:
    """Read the settings; defaults where there is no file.

    Parameters
    ----------
    path
        Another file than :func:`settings_path`.

    Raises
    ------
    SettingsError
        For a file that cannot be read, an unknown name, or a value out of bounds. It names the
        file.

    See Also
    --------
    write_settings : the inverse.
    """
    path = settings_path() if path is None else check_path("The settings", path, SettingsError)
    try:
        text = path.read_text(encoding="utf-8-sig")
        import tomllib  # a hundredth of a short run, which seldom finds such a file

        values = tomllib.loads(text)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise SettingsError(
            f"The settings in {path} cannot be read: {error.strerror or error}. "
            f"Check the file, or name another with {CONFIG_VARIABLE}."
        ) from error
    except ValueError as error:  # tomllib's, or of text that is not UTF-8
        raise SettingsError(
            f"The settings in {path} must be TOML, got: {error}. Correct or remove the file."
        ) from error
    return _checked(Settings, values, f" in {path}")


def write_settings(settings: Settings, path: str | os.PathLike[str] | None = None) -> Path:
    """Write what differs from the defaults, whole or not at all; folders are made.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    SettingsError
        Where the folder cannot be written to.

    See Also
    --------
    read_settings : the inverse.
    """
    import tomli_w

    path = settings_path() if path is None else check_path("The settings", path, SettingsError)
    values = settings.model_dump(exclude_defaults=True, exclude_none=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, _HEADER + tomli_w.dumps(values))
    except OSError as error:
        raise SettingsError(
            f"The settings cannot be written to {path}: {error.strerror or error}. "
            f"Name another file with {CONFIG_VARIABLE}."
        ) from error
    return path


def change_settings(change: Callable[[Settings], Settings]) -> Settings:
    """Change the settings in the file, one thread after the other.

    Parameters
    ----------
    change
        Given what the file says, what it should say; where they are equal nothing is written.

    Raises
    ------
    SettingsError
        As :func:`read_settings` and :func:`write_settings` do.
    """
    with _changing:
        settings = read_settings()
        changed = change(settings)
        if changed != settings:
            write_settings(changed)
    return changed


def update_settings(**changes: Any) -> Settings:
    """Change some settings in the file and leave the others as they are.

    Raises
    ------
    SettingsError
        As :func:`change_settings` does.
    """
    return change_settings(lambda settings: settings.replace(**changes))


def _checked(model: type[S], values: dict[str, Any], where: str) -> S:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        sentences = [
            _sentence(".".join(str(part) for part in detail["loc"]), detail["msg"], detail["input"])
            for detail in error.errors()
        ]
        raise SettingsError(f"Settings{where}: " + " ".join(sentences)) from error


def _sentence(name: str, message: str, value: Any) -> str:
    if name not in Settings.model_fields and "." not in name:
        next_step = did_you_mean(name, Settings.model_fields) or " Remove it."
        return f"There is no setting {name!r}.{next_step}"
    requirement = message.replace("Input should be", "be")
    return f"{name} must {requirement}, got {value!r:.80}. Correct or remove it."
