"""Why it came out so, in words: for the console and for whoever asks (PIPL art 24)."""

from collections.abc import Mapping
from typing import Final

IN_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "ONLY_CANDIDATE": ("唯一符合全部条件的组织", "the only organisation that meets every condition"),
    "TARGET": (
        "属于首选类型{target}，其余候选为备选类型",
        "it is of the target type {target}, the others of an alternative one",
    ),
    "AREA": ("服务范围最小且覆盖该网格", "the smallest area that covers the grid"),
    "LOAD": ("在办件占容量的比例最低", "the lowest share of its capacity in use"),
    "LONGEST_WAIT": ("距上次分派时间最长", "the longest time since its last assignment"),
    "ID": ("其余条件相同，编号在前", "equal in all else, first by id"),
    "PERSON": ("由督办员指定", "chosen by a supervisor"),
    "SEALED_KIND": ("检举控告，密封移送有权机关", "an accusation: sealed transfer to the competent organ"),
    "HELD_BY_FLAG": (
        "带有禁止自动分派的标记，须由人放行",
        "a flag forbids automatic routing until a person releases it",
    ),
    "CATEGORY_OTHER": ("类别为“其他”，由人研判", "category other: a person looks at it"),
    "NO_AREA": ("未能定位到网格，转人工处理", "no known area: the manual queue"),
    "NO_TARGET": (
        "事项类型或类别未定，无法确定承办类型",
        "kind or category is open: no target",
    ),
    "TARGET_IS_NO_PARTNER": (
        "应由{target}处理，由人引导或转送",
        "it belongs to {target}: a person directs or forwards it",
    ),
    "BOUNCES_MAX": ("退回次数已达上限，由值班主任裁定", "returned too often: the duty officer rules"),
    "NO_ELIGIBLE": ("没有符合条件的组织", "no organisation meets the conditions"),
}


def in_words(because: str, target: str | None) -> dict[str, str]:
    """The deciding reason in Chinese and English."""
    zh, en = IN_WORDS[because]
    return {"zh": zh.format(target=target), "en": en.format(target=target)}
