"""What people write in an afternoon: a recogniser behind a FastAPI route, with no limits, workers or batches.

``python benchmarks/plain_service.py PORT`` serves it; `serving.py` measures ours beside it.
"""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, UploadFile

from fsrfer import Recognizer

app = FastAPI()
recognizer = Recognizer()


@app.post("/v1/predict")
def predict(picture: UploadFile) -> dict[str, Any]:
    """The faces of one photo."""
    return recognizer.predict(picture.file.read()).to_dict()


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
