"""The routes of videos: one is sent, asked for until it is done, and removed."""

import importlib.util
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from fsrfer.serving.jobs import VideoJob
from fsrfer.serving.problems import CLOSE, ProblemError, described
from fsrfer.serving.service import Service
from fsrfer.serving.uploads import UploadLimits, read_uploads

VIDEOS = ("video/", "application/octet-stream")
"""Media types of bodies that are one video."""

_FILE = {"type": "string", "format": "binary"}

_BODY: dict[str, Any] = {
    "required": True,
    "description": "One video file, in a form or as the whole body.",
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {"video": _FILE}, "required": ["video"]},
        },
        "application/octet-stream": {"schema": _FILE},
        "video/*": {"schema": _FILE},
    },
}

_EVERY = Query(ge=0.05, le=60, description="Seconds between two frames that are looked at.")
_AGGREGATE = Query(description="Tell nothing of single faces, and nothing of fewer people than the smallest group.")


def video_routes(service: Service) -> APIRouter:
    """The routes of a service's videos."""
    router, settings = APIRouter(prefix="/v1/video", tags=["video"]), service.settings
    limits = UploadLimits(settings.max_video, 1, settings.video_upload_seconds)

    @router.post(
        "",
        status_code=202,
        summary="Watch a video",
        responses={202: {"model": VideoJob}, **described(400, 408, 413, 415, 422, 501, 503)},
        openapi_extra={"requestBody": _BODY},
    )
    async def watch(
        request: Request,
        every: Annotated[float, _EVERY] = 0.2,
        aggregate_only: Annotated[bool, _AGGREGATE] = False,
    ) -> Response:
        """The video is a job, to be asked for at the address in `Location`; its result is kept for a while."""
        check_installed()
        service.jobs.check_place()
        with service.admission.admitted() as reservation:
            (video,) = await read_uploads(request, limits, reservation, VIDEOS)
            job = service.jobs.add(video, every, aggregate_only)
        return JSONResponse(asdict(job), 202, {"Location": f"{request.scope.get('root_path', '')}/v1/video/{job.id}"})

    @router.get("/{job}", summary="How far a video is, and its result", responses=described(404, 422))
    async def ask(job: str) -> VideoJob:
        return service.jobs.get(job)

    @router.delete("/{job}", status_code=204, summary="End a job, and forget it", responses=described(404, 422))
    async def remove(job: str) -> Response:
        await service.jobs.remove(job)
        return Response(status_code=204)

    return router


def check_installed() -> None:
    """Whether videos can be watched here.

    Raises:
        ProblemError: what that needs is not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in ("av", "scipy")):
        raise ProblemError(501, "no-video", "this service watches no videos: the extra 'video' is not installed", CLOSE)
