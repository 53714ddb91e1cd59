"""Typed answers to bad input and forbidden acts. No framework in here: the domain raises them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Title:
    """What a person reads of an error, in both languages of the house."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of the input: where (JSON pointer), which (code), and what would be right, where the words of
    the code say too little: by the name of others in `fieldtexts`."""

    pointer: str
    code: str
    detail: str = ""


class Refusal(Exception):
    """The request is answered with a problem and changes nothing.

    `detail` says more than the title, by the name of words in `fieldtexts`. `extra` members stand beside the
    standard ones in the answer (for example `state` and `allowed`). Neither `detail` nor `extra` holds a
    personal field: a refusal is stored with its idempotency key.
    """

    STATUS: ClassVar[int] = 409
    CODE: ClassVar[str] = "refused"
    TITLE: ClassVar[Title] = Title("请求未被接受", "The request was refused")

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        status: int | None = None,
        title: Title | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
        **extra: object,
    ) -> None:
        self.status = status or self.STATUS
        self.code = code or self.CODE
        self.title = title or self.TITLE
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.extra = extra
        super().__init__(self.code)


class Invalid(Refusal):
    """The body or a parameter is not what the interface says."""

    STATUS, CODE, TITLE = 422, "invalid", Title("输入有误", "The input is not valid")


class Unauthorised(Refusal):
    """No credential, or one that is not valid."""

    STATUS, CODE, TITLE = 401, "unauthorised", Title("未登录或凭证无效", "Sign in first")


class Forbidden(Refusal):
    """The credential's role may not do this."""

    STATUS, CODE, TITLE = 403, "forbidden", Title("无权进行此操作", "This role may not do that")


class NotFound(Refusal):
    """There is none, or the caller may not know of it."""

    STATUS, CODE, TITLE = 404, "not_found", Title("未找到", "There is no such thing")


class ForbiddenAction(Refusal):
    """The case's state does not allow the act; `state` and `allowed` say what it is and what would be."""

    STATUS, CODE, TITLE = 409, "forbidden_action", Title("当前状态不允许此操作", "Not in this state")


class AlreadyExists(Refusal):
    """Something with this identity exists already."""

    STATUS, CODE, TITLE = 409, "already_exists", Title("已存在", "It exists already")


class InProgress(Refusal):
    """A request with the same idempotency key is being worked on."""

    STATUS, CODE, TITLE = 409, "in_progress", Title("相同请求正在处理", "The same request is in progress")


class Busy(Refusal):
    """The case stayed locked by other work; the same request may be sent again."""

    STATUS, CODE, TITLE = 409, "busy", Title("案件正忙，请稍后重试", "The case is busy")


class Stale(Refusal):
    """The caller decided on an older version than the one that stands."""

    STATUS, CODE, TITLE = 412, "stale_version", Title("内容已被他人更新", "Somebody changed it meanwhile")


class TooLarge(Refusal):
    """The body or a record made of it exceeds its limit."""

    STATUS, CODE, TITLE = 413, "too_large", Title("内容过大", "The content is too large")


class KeyReused(Refusal):
    """The idempotency key was used with another body."""

    STATUS, CODE, TITLE = (
        422,
        "idempotency_key_reused",
        Title("幂等键已用于其他内容", "Key used with another body"),
    )


class PreconditionRequired(Refusal):
    """The request must say on which version it was decided."""

    STATUS, CODE, TITLE = 428, "precondition_required", Title("缺少 If-Match", "If-Match is missing")


class Overloaded(Refusal):
    """More is waiting than can be answered in time."""

    STATUS, CODE, TITLE = 503, "overloaded", Title("系统繁忙，请稍后重试", "Too much at once")

    def __init__(self, detail: str = "", *, retry_after: int = 1) -> None:
        super().__init__(detail, retry_after=retry_after)


class Unavailable(Refusal):
    """A part below is away; nothing was lost, the same request may be sent again."""

    STATUS, CODE, TITLE = 503, "unavailable", Title("服务暂不可用，请稍后重试", "A part below is away")

    def __init__(self, detail: str = "", *, retry_after: int = 2) -> None:
        super().__init__(detail, retry_after=retry_after)


class NotYet(Exception):
    """An event came before what it needs; it is tried again soon. For the exceptional only (G8)."""
