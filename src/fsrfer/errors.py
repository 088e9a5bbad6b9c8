"""Errors meant for people: each is one line that says what, where and what to do."""


class FsrferError(Exception):
    """Anything the user can put right. Commands print it as one line and end with exit code 2."""


class InputError(FsrferError):
    """A picture, box file or folder that cannot be used."""


class TooLargeError(InputError):
    """A picture of more pixels than are allowed."""


class ModelError(FsrferError):
    """A model file that is missing, damaged or not one of ours."""


class DeviceError(FsrferError):
    """Something to run networks on that is not there, or that ONNX Runtime cannot use."""


class DataError(FsrferError):
    """A data set that does not match its published layout."""


class AbsentError(DataError):
    """A part of a data set that is not there, as one that its publishers keep apart."""


class RecipeError(FsrferError):
    """A recipe, or a setting given on the command line, that makes no sense."""


class TrainingError(FsrferError):
    """A training run that cannot go on, such as one whose loss is no longer a number."""


class FsrferWarning(UserWarning):
    """Something worth knowing that does not stop the work."""
