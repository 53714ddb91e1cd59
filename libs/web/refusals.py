"""The refusals of the door itself, made before any use case is asked."""

from libs.web.errors import Refusal, Title


class BadRequest(Refusal):
    """The request is not HTTP as the interface uses it."""

    STATUS, CODE, TITLE = 400, "bad_request", Title("请求有误", "The request is not well formed")


class MalformedJson(Refusal):
    """The body is no JSON text (RFC 8259): syntax, NaN, numbers beyond double, lone surrogates, too deep."""

    STATUS, CODE, TITLE = 400, "malformed_json", Title("请求体不是有效的 JSON", "The body is not valid JSON")


class MalformedForm(Refusal):
    """The form is not in UTF-8, or holds more than ASCII where it must be percent-encoded."""

    STATUS, CODE, TITLE = (
        400,
        "malformed_form",
        Title(
            "表单须为 UTF-8，网址编码的表单须对非 ASCII 字符作百分号编码",
            "A form must be in UTF-8, percent-encoded if it is URL-encoded",
        ),
    )


class KeyMissing(Refusal):
    """The request creates or acts and must be repeatable."""

    STATUS, CODE, TITLE = (
        400,
        "idempotency_key_missing",
        Title("缺少 Idempotency-Key", "Idempotency-Key is missing"),
    )


class KeyMalformed(Refusal):
    """An idempotency key is 1 to 255 visible ASCII characters."""

    STATUS, CODE, TITLE = (
        400,
        "idempotency_key_malformed",
        Title("Idempotency-Key 格式有误", "Idempotency-Key is malformed"),
    )


class MethodNotAllowed(Refusal):
    """The path exists, this verb on it does not."""

    STATUS, CODE, TITLE = 405, "method_not_allowed", Title("不支持此方法", "This method is not allowed here")


class SlowRequest(Refusal):
    """The body did not arrive within the request's budget."""

    STATUS, CODE, TITLE = 408, "request_timeout", Title("请求接收超时", "The request came too slowly")


class UnsupportedMedia(Refusal):
    """The body is of a media type, charset or coding that is not taken here."""

    STATUS, CODE, TITLE = 415, "unsupported_media_type", Title("不支持的内容类型", "Unsupported media type")


class TooManyRequests(Refusal):
    """The credential sends faster than its rate."""

    STATUS, CODE, TITLE = 429, "too_many_requests", Title("请求过于频繁", "Too many requests")


class TooManyTries(TooManyRequests):
    """The address has sent too many credentials that open nothing."""

    CODE, TITLE = (
        "too_many_tries",
        Title("凭证错误次数过多，请稍后再试", "Too many credentials that open nothing"),
    )


class InternalError(Refusal):
    """A fault of ours. Nothing of it is told outside; the trace id finds it in the log."""

    STATUS, CODE, TITLE = 500, "internal_error", Title("系统内部错误", "Something went wrong here")


class TooLate(Refusal):
    """The work did not end within the budget; it may still take effect, the same request finds out."""

    STATUS, CODE, TITLE = 503, "timeout", Title("处理超时，请以相同请求重试", "Not finished in time")
