"""The routes, and the OpenAPI document that describes them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from fsrfer.group.withholding import SmallestGroup
from fsrfer.serving import metrics
from fsrfer.serving.answers import ClassifyAnswer, PredictAnswer, predicted
from fsrfer.serving.examples import CROPS, PHOTOS, PICTURES
from fsrfer.serving.guard import Guard
from fsrfer.serving.information import Health, ServiceInfo, information
from fsrfer.serving.live import Live
from fsrfer.serving.page import page_routes
from fsrfer.serving.problems import Problem, ProblemError, described
from fsrfer.serving.service import Service, unless_gone
from fsrfer.serving.uploads import ClientGoneError, UploadLimits, read_uploads
from fsrfer.serving.video_routes import video_routes
from fsrfer.version import __version__

CLIENT_GONE = 499
"""The status in the log where nobody waited for an answer."""

REFUSALS = (400, 401, 403, 408, 413, 415, 421, 422, 500, 503, 504)
"""Problems that pictures may bring."""

AggregateOnly = Annotated[
    bool, Query(description="Tell nothing of single faces, and nothing of fewer people than the smallest group.")
]


def guarded(service: Service) -> Guard:
    """The whole application of a service, with all that stands before its routes."""
    live = Live(service)
    figures = metrics.Metrics(service, live)
    return Guard(application(service, figures, live), service.settings, figures)


def application(service: Service, figures: metrics.Metrics, live: Live) -> FastAPI:
    """The routes."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="fsrfer",
        version=__version__,
        summary="Facial expressions of small faces.",
        description="Pictures are looked at in memory and never stored.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses=described(401, 403, 421, 500),
    )
    _add_errors(app)
    _add_recognition(app, service, figures)
    app.include_router(video_routes(service))
    app.add_api_websocket_route("/v1/live", live.serve)
    _add_state(app, service, figures)
    app.router.routes.extend(page_routes())
    return app


def _add_recognition(app: FastAPI, service: Service, figures: metrics.Metrics) -> None:
    settings, info = service.settings, service.recognizer.model.info
    limits = UploadLimits(settings.max_upload, settings.max_pictures, settings.upload_seconds)

    @app.post(
        "/v1/predict",
        tags=["recognition"],
        summary="Expressions of every face in photos",
        responses={200: {"model": PredictAnswer, "content": _json(PHOTOS)}, **described(*REFUSALS)},
        openapi_extra={"requestBody": PICTURES},
    )
    async def predict(request: Request, aggregate_only: AggregateOnly = False) -> Response:
        """Photos as a form with files, or one as the whole body. Where there are several, one that fails has an `error`."""
        smallest = SmallestGroup(settings.min_group) if aggregate_only else settings.smallest
        with service.admission.admitted() as reservation:
            uploads = await read_uploads(request, limits, reservation)
            reservation.enter()
            figures.pictures(len(uploads))
            results = await unless_gone(lambda: _gone(request), service.photos(uploads), settings.seconds)
            return JSONResponse(predicted(results, info, service.recognizer.device, smallest))

    @app.post(
        "/v1/classify",
        tags=["recognition"],
        summary="Expressions of face crops, without detection",
        responses={200: {"model": ClassifyAnswer, "content": _json(CROPS)}, **described(*REFUSALS)},
        openapi_extra={"requestBody": PICTURES},
    )
    async def classify(request: Request) -> Response:
        """Pictures that one face fills each. Refused (403) where nothing of single faces is told."""
        if settings.aggregate_only:
            raise ProblemError(403, "aggregate-only", "nothing of single faces is told here; use /v1/predict")
        with service.admission.admitted() as reservation:
            uploads = await read_uploads(request, limits, reservation)
            reservation.enter()
            figures.pictures(len(uploads))
            results = await unless_gone(lambda: _gone(request), service.crops(uploads), settings.seconds)
            return JSONResponse({"crops": [result.to_dict() for result in results]})


def _add_state(app: FastAPI, service: Service, figures: metrics.Metrics) -> None:
    @app.get("/v1/info", tags=["service"], summary="Version, model and limits", response_model=ServiceInfo)
    async def info() -> ServiceInfo:
        return information(service)

    @app.get("/healthz", tags=["service"], summary="Whether the service runs", response_model=Health)
    async def health() -> Health:
        return Health("ok")

    @app.get(
        "/readyz",
        tags=["service"],
        summary="Whether it can answer",
        response_model=Health,
        responses=described(503),
    )
    async def ready() -> Health:
        if not (service.ready and service.pool.alive):
            raise ProblemError(503, "not-ready", "the service starts or stops; try again", {"Retry-After": "2"})
        return Health("ready")

    @app.get(
        "/metrics",
        tags=["service"],
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def told() -> Response:
        return Response(figures.text(), media_type=metrics.MEDIA_TYPE)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(ProblemError)
    async def problem(_request: Request, error: ProblemError) -> Response:
        return error.response()

    @app.exception_handler(ClientGoneError)
    async def gone(_request: Request, _error: ClientGoneError) -> Response:
        return Response(status_code=CLIENT_GONE)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> Response:
        return ProblemError.of_status(error.status_code, error.headers).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        # Where and what is wrong, never what was sent.
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3])
        return ProblemError(422, "invalid", wrong).response()

    @app.exception_handler(Exception)
    async def fault(_request: Request, _error: Exception) -> Response:
        return ProblemError.of_status(500).response()

    described_by = app.openapi

    def openapi() -> dict[str, Any]:
        document = described_by()
        schemas = document["components"]["schemas"]
        if "Problem" not in schemas:
            schemas["Problem"] = TypeAdapter(Problem).json_schema()
            _leave_out_the_frameworks_own(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _leave_out_the_frameworks_own(document: dict[str, Any]) -> None:
    """FastAPI describes its own kind of 422, which is never sent."""
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            if "HTTPValidationError" in json.dumps(operation["responses"].get("422", "")):
                operation["responses"]["422"] = described(422)[422]


async def _gone(request: Request) -> None:
    """Wait until the client goes away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(example: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"example": example}}
