"""HTTP out: a refusal as a page for who sits before a browser; a script or a stream gets the problem."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from libs.web.errors import Refusal
from libs.web.problems import answer_problem, told
from services.console.api.common import page

HINTS: Final[Mapping[str, str]] = {
    "unauthorised": "这次提交没有办理。请登录后再试。",
    "form_expired": "这次提交没有办理。请回到原来的页面，刷新后再试。",
    "forbidden": "您的岗位不办理这里的事项。如有需要，请联系管理员。",
    "not_found": "这里没有您可以查看的内容：事项不存在、信息已删除，或不在您的查看范围。",
    "method_not_allowed": "这个地址不能直接打开，请从页面上的表单进入。",
    "too_large": "请减少内容，或换一个较小的文件。",
}
"""What a person may do about a refusal, by its code."""


def with_error_pages(app: FastAPI) -> FastAPI:
    """The application, answering refusals as pages where the request asks for HTML."""
    for kind in (Refusal, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _answer)
    return app


async def _answer(request: Request, error: Exception) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return await answer_problem(request, error)
    refusal = told(request, error, "zh")
    if refusal.status == 401 and request.method == "GET":
        asked = f"{request.url.path}?{request.url.query}".rstrip("?")
        return RedirectResponse(f"/sign-in?{urlencode({'next': asked})}", 303)
    title, hint = refusal.title.zh, HINTS.get(refusal.code, "请稍后再试。")
    response = page(
        request, "refused.html", refusal.status, title=title, hint=hint, signed_out=refusal.status == 401
    )
    response.headers.update(getattr(error, "headers", None) or {})
    return response
