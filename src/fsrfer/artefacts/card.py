"""The model card: what a model's own file tells, as a page for people, with the front matter that hubs read."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fsrfer.model_file import ModelInfo
from fsrfer.model_folder import CONFIG_FILE, MODEL_FILE

_FIGURES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "calibration_error": "calibration error",
    "certain_share": "called certain",
    "certain_accuracy": "right when certain",
}
"""Of the figures in a description, those that a card shows, and their headings."""

_USE = """\
## Use

```python
from fsrfer import Recognizer

recognizer = Recognizer.from_pretrained("FOLDER")  # or "hf://OWNER/NAME@COMMIT", with the extra fsrfer[hub]
print(recognizer.predict("crowd.jpg").group.shares)
```

```sh
fsrfer predict crowd.jpg --model FOLDER
```
"""

_LIMITS = """\
## Limits, and responsible use

- **Expression is not emotion.** The labels are what people saw in pictures; what somebody feels, thinks or intends cannot be
  told from a face. Not for decisions about single people, lie detection or diagnosis; not for watching people who do not know
  of it.
- The figures above are of the data named there. On other pictures accuracy is lower, and the promise of certain answers may not
  hold: measure on data like yours (`fsrfer evaluate`). How accuracy differs between groups of people is not known here.
- In the European Union, the AI Act (Regulation (EU) 2024/1689), Art. 5(1)(f), forbids AI systems that infer emotions of people
  at work and in education, except for medical or safety reasons; elsewhere Annex III, point 1(c), and Art. 50(3) apply. Ask
  before you deploy.
- Prefer the figures of a group to single faces, with the number of those too small or uncertain.
"""


def card_text(info: ModelInfo, seal: str, sizes: Mapping[str, int], license_id: str | None) -> str:
    """A model card.

    Args:
        info: of the model.
        seal: of its file.
        sizes: name and bytes of each file beside the card.
        license_id: of the weights, as the hub names it; None states none.
    """
    parts = [
        _front_matter(info, license_id),
        f"# {info.name}\n\nA recogniser of facial expressions of small faces, for fsrfer {info.version} or later.\n",
        _USE,
        _contents(info, seal, sizes),
        _preprocessing(info),
        _accuracy(info),
        _training(info, license_id),
        _LIMITS,
    ]
    return "\n".join(part for part in parts if part)


def _front_matter(info: ModelInfo, license_id: str | None) -> str:
    """The block of YAML that hubs read; JSON's scalars are YAML's."""
    results = [
        {
            "task": {"type": "image-classification", "name": f"Facial expressions, {factor}"},
            "dataset": {"type": split.split()[0], "name": split},
            "metrics": [
                {"type": kind, "value": figures[key], "name": name}
                for kind, key, name in (("accuracy", "accuracy", "accuracy"), ("f1", "macro_f1", "macro-F1"))
                if isinstance(figures.get(key), float)
            ],
        }
        for split, factors in _measured(info).items()
        for factor, figures in factors.items()
    ]
    values: dict[str, Any] = {} if license_id is None else {"license": license_id}
    values |= {
        "library_name": "fsrfer",
        "pipeline_tag": "image-classification",
        "tags": ["facial-expression-recognition", "onnx", "group-estimates", "fsrfer"],
    }
    if results and all(result["metrics"] for result in results):
        values["model-index"] = [{"name": info.name, "results": results}]
    return "\n".join(("---", *(f"{key}: {json.dumps(value)}" for key, value in values.items()), "---", ""))


def _contents(info: ModelInfo, seal: str, sizes: Mapping[str, int]) -> str:
    told = {
        MODEL_FILE: "the model: one sealed file, all that use needs",
        "model.safetensors": "weights before rounding and calibration, to train on (`fsrfer train --init FOLDER`)",
        "recipe.toml": "which networks these weights are of",
    }
    rows = [(f"`{name}`", f"{size:,}", told.get(name, "")) for name, size in sizes.items()]
    return (
        "## Files\n\n"
        + _table(("file", "bytes", "what it is"), rows)
        + f"\n`{CONFIG_FILE}` lists their SHA-256. The model's seal is\n`{seal}`;\nfsrfer checks it before it reads anything "
        "else. It shows damage and mix-ups, not who made the file.\n\n"
        + f"{info.parameters:,} weights, {info.gflop:g} GFLOP a face{' and view, of two views' if info.flip else ''}. "
        "Nothing here is a pickle, and no code comes with it.\n"
    )


def _preprocessing(info: ModelInfo) -> str:
    channels, colour = (1, "one channel, ITU-R 601 luma") if info.colour == "grey" else (3, "RGB")
    divided = "Their" if info.temperature == 1 else f"Divided by {info.temperature:g}, their"
    lines = [
        f"`faces`: float32, N x {channels} x {info.size} x {info.size}, values 0..255, not normalised ({colour}). Each is a "
        f"square around the detected box, of side (1 + 2 x {info.margin:g}) times the box's longer side, resized by an "
        "antialiased bicubic filter.",
        f"`logits`: N x {len(info.labels)}, in this order: {', '.join(info.labels)}. {divided} softmax is calibrated.",
        f"Certain are answers of {info.certain_from:g} or more"
        + (f", of faces whose detail amounts to {info.certain_px:g} pixels or more." if info.certain_px else "."),
    ]
    lines += ["Probabilities of a face and of its mirror image are averaged."] if info.flip else []
    return "## Input and output\n\n" + "".join(f"- {line}\n" for line in lines)


def _measured(info: ModelInfo) -> dict[str, dict[str, Mapping[str, float | None]]]:
    """The figures of a description by data set and factor, without what is none."""
    return {
        split: {factor: figures for factor, figures in factors.items() if isinstance(figures, Mapping)}
        for split, factors in info.accuracy.items()
        if isinstance(factors, Mapping)
    }


def _accuracy(info: ModelInfo) -> str:
    parts = []
    for split, factors in _measured(info).items():
        shown = [key for key in _FIGURES if any(key in figures for figures in factors.values())]
        rows = [(factor, *(_percent(figures.get(key)) for key in shown)) for factor, figures in factors.items()]
        if shown:
            parts.append(f"On {split}, shrunk by each factor:\n\n{_table(('factor', *map(_FIGURES.get, shown)), rows)}")
    return "\n".join(("## Measured\n", *(parts or ["Nothing was measured.\n"])))


def _training(info: ModelInfo, license_id: str | None) -> str:
    told = dict(info.training)
    lines = [f"- {name}: {_words(value)}" for name, value in told.items()] or ["- the file does not say"]
    terms = (
        f"The weights are under `{license_id}`, as whoever passed them on says."
        if license_id
        else "No licence is stated: the weights have the terms that follow from the data; ask whoever passed them on."
    )
    return "## Training, as the file tells it\n\n" + "\n".join(lines) + f"\n\n{terms}\n"


def _words(value: Any) -> str:
    return (
        f"`{json.dumps(value, ensure_ascii=False)}`"
        if isinstance(value, Mapping | list | tuple)
        else " ".join(str(value).split())
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _table(heads: Sequence[str | None], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
