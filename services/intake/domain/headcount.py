"""How many people a text speaks of."""

import re
from typing import Final

_SIGNS: Final = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"两": 2}
_SIZES: Final = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_VAGUE: Final = {
    "几十": 20,
    "数十": 20,
    "好几十": 20,
    "百十": 100,
    "上百": 100,
    "几百": 200,
    "数百": 200,
    "上千": 1000,
}
"""The least that such a word means."""
# Every run is bounded: the text is anybody's, and an open run tried at each of 20,000 signs takes seconds.
_PEOPLE: Final = re.compile(
    rf"({'|'.join(_VAGUE)}|[0-9]{{1,6}}|[{''.join(_SIGNS)}{''.join(_SIZES)}]{{1,12}})[多余来几]{{0,3}}"
    r"(?:人|户|口(?!井|塘|锅|气)|名|位|家|号(?![楼院线门下晚早上中店机车栋厂])"
    r"|个(?:人|老?[乡伙]|[^，。、；！？]{0,3}工|业主|租客|住户|家长|村民|同[事学]|商户|会员|组长|女生|男生|小伙|邻居|员工|司机"
    r"|兄弟|弟兄|老?姐妹|病友|学员|家属|摊主|储户|妇女|后生|战友|老师|老?阿姨|妈妈|骑手|保安|娃的家长))"
)


def told_headcount(folded: str) -> int:
    """The largest number of people or households that a folded text names; 1 where it names none."""
    return max((_number(hit[1]) for hit in _PEOPLE.finditer(folded)), default=1)


def _number(text: str) -> int:
    if text in _VAGUE:
        return _VAGUE[text]
    if text.isdecimal():
        return int(text)
    whole, part, digit = 0, 0, 0
    for sign in text:
        if sign in _SIGNS:
            digit = _SIGNS[sign]
        elif sign == "万":
            whole, part, digit = (whole + part + digit) * 10_000, 0, 0
        else:
            part, digit = part + (digit or 1) * _SIZES[sign], 0
    return whole + part + digit
