"""HTTP out: a refusal as a page for who sits before a browser; a script or a stream gets the problem."""

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from libs.web.errors import Refusal
from libs.web.fieldfaults import Language
from libs.web.problems import Wording, problem
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
    """The application, answering refusals as pages where the request asks for HTML, also those from before
    its routes: too much at once, too late, a fault of its own."""
    app.state.wording = _wording
    return app


def _wording(scope: Scope) -> Wording:
    request = Request(scope)
    return partial(_page, request) if "text/html" in request.headers.get("accept", "") else problem


def _page(
    request: Request, refusal: Refusal, _: Language, headers: Mapping[str, str] | None = None
) -> Response:
    if refusal.status == 401 and request.method == "GET":
        asked = f"{request.url.path}?{request.url.query}".rstrip("?")
        return RedirectResponse(f"/sign-in?{urlencode({'next': asked})}", 303)
    title, hint = refusal.title.zh, HINTS.get(refusal.code, "请稍后再试。")
    response = page(
        request, "refused.html", refusal.status, title=title, hint=hint, signed_out=refusal.status == 401
    )
    response.headers.update(headers or {})
    return response
