"""Entry point: picks the sub-command, and turns errors meant for people into one line and exit code 2."""

import argparse
import importlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn, TextIO

from fsrfer import telemetry
from fsrfer.cli.options import say
from fsrfer.errors import FsrferError, FsrferWarning
from fsrfer.version import __version__

COMMANDS = {
    "predict": "expressions of every face in photos",
    "classify": "expressions of face crops, without detection",
    "video": "expressions of a crowd in a video, over time",
    "score": "expressions of every face in an archive, by many processes or machines",
    "serve": "expressions of pictures by HTTP; nothing is stored",
    "demo": "one portrait at shrinking sizes, to see how small a face may be",
    "info": "version, bundled models, detector, runtime",
    "data": "pack data sets into one file, for a quick start",
    "train": "train a model by a recipe",
    "benchmark": "the paper's comparison: every rival trained, measured and reported",
    "evaluate": "accuracy of a model at each down-sampling factor",
    "push": "a model as a folder or a repository, with its card",
}
"""Sub-commands; each is a module here with ``add_arguments(parser)`` and ``run(arguments) -> exit code``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0 done, 1 a broken pipe, 2 something to put right, 130 Ctrl-C, 129 and 143 the signals HUP and TERM.
    """
    telemetry.switch_off()
    _fill_closed_descriptors()
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(arguments)
    try:
        options = parser.parse_args(arguments)
        with warnings.catch_warnings(), _ended_by_signals():
            warnings.showwarning = _say_warning
            return int(options.run(options))
    except FsrferError as error:
        say(f"fsrfer: error: {error}")
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "fsrfer":
            raise
        say(f"fsrfer: error: {_missing(error.name or '', _command(arguments))}")
        return 2
    except KeyboardInterrupt as stop:
        kept = getattr(stop, "__notes__", ["nothing half-written was left behind"])  # a command may say more
        say(f"fsrfer: stopped; {kept[0]}")
        return 128 + (stop.number if isinstance(stop, _Ended) else signal.SIGINT)
    except BrokenPipeError:
        _leave_stdout()
        return 1
    except OSError as error:
        where = error.filename or "the output"
        say(f"fsrfer: error: {where}: {error.strerror or error}; nothing half-written was left behind")
        _leave_stdout()
        return 2


class _Ended(KeyboardInterrupt):
    """A signal that ends the command as Ctrl-C does, with everything cleaned up."""

    def __init__(self, number: int):
        super().__init__()
        self.number = number


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP clean up as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: object) -> None:
        raise _Ended(number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fill_closed_descriptors() -> None:
    """A file opened where stdin, stdout or stderr was closed would get what others write there; stderr is read by many."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 (for the rest of the process)


def _leave_stdout() -> None:
    """What is left in a stream that cannot be written must not fail again at the end of the process."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Ours in one line; those of libraries are not for users."""
    del filename, lineno, file, line
    if issubclass(category, FsrferWarning):
        say(f"fsrfer: warning: {message}")


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"fsrfer: error: {message} (see: {self.prog} --help)\n")


def _command(arguments: Sequence[str]) -> str | None:
    return next((word for word in arguments if not word.startswith("-")), None)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(prog="fsrfer", description="Facial expressions of small faces.")
    parser.add_argument("--version", action="version", version=f"fsrfer {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == _command(arguments):
            module = importlib.import_module(f"fsrfer.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _missing(module: str, command: str | None) -> str:
    extras = {
        "pandas": "dataframe",
        "av": "video",
        "pyarrow": "parquet",
        "supervision": "supervision",
        "ray": "ray",
        "huggingface_hub": "hub",
    }
    if command == "score":
        extras["pyarrow"] = "score"
    extra = extras.get(
        module.partition(".")[0],
        command if command in ("video", "serve", "score") else "train",  # SciPy is in two
    )
    return f"this needs the package {module!r}; install it with: pip install 'fsrfer[{extra}]'"


if __name__ == "__main__":
    sys.exit(main())
