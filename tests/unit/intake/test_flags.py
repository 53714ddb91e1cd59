"""Flags and urgency by the words and fields of `flags.json`."""

import json

import pytest

from services.intake.domain.flags import Entered, flag_rules, near
from services.intake.domain.text import Found
from tests.unit.intake.build import DATA, known


def raised(text: str, **entered: object) -> tuple[str, ...]:
    return known().flags.judge(text, Entered(**entered)).flags  # type: ignore[arg-type]


def urgency(text: str, **entered: object) -> str:
    rules = known().flags
    judged = rules.judge(text, Entered(**entered))  # type: ignore[arg-type]
    return rules.urgency(judged.said_urgency, judged.flags)


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("反复说活着没意思", "SELF_HARM"),
        ("昨晚他拿刀出来", "VIOLENCE"),
        ("邻居天天打孩子", "MINOR_AT_RISK"),
        ("明天去工地拉横幅", "MASS_EVENT"),
        ("家里有残疾人", "VULNERABLE"),
        ("十户联名反映", "COLLECTIVE"),
        ("请保密", "CONFIDENTIAL"),
        ("我想\u3164自\u034f杀", "SELF_HARM"),
    ],
)
def test_one_strong_phrase_is_enough(text: str, flag: str) -> None:
    assert raised(text) == (flag,)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("他威胁我", ()),
        ("他威胁我，威胁了三次", ()),
        ("他威胁我，还恐吓家人", ("VIOLENCE",)),
        ("他扬言等着瞧", ("VIOLENCE",)),
        ("老人行动不便", ("VULNERABLE",)),
    ],
)
def test_weak_phrases_must_be_two_different_ones(text: str, flags: tuple[str, ...]) -> None:
    assert raised(text) == flags


@pytest.mark.parametrize(
    ("text", "headcount", "flags"),
    [
        ("在楼顶哭着打电话", 1, ("SELF_HARM",)),
        ("在楼顶修太阳能", 1, ()),
        ("哭着打电话", 1, ()),
        ("准备去堵门", 1, ()),
        ("准备去堵门，业主们说的", 1, ("MASS_EVENT",)),
        ("准备去堵门", 4, ()),
        ("准备去堵门", 5, ("MASS_EVENT", "COLLECTIVE")),
    ],
)
def test_combined_words_need_each_other_or_enough_people(
    text: str, headcount: int, flags: tuple[str, ...]
) -> None:
    assert raised(text, headcount=headcount) == flags


@pytest.mark.parametrize(
    "text",
    [
        "本人没有轻生的念头",
        "他没想过轻生",
        "商场跳楼价促销",
        "楼上吊顶漏水",
        "请拨打我电话",
        "施工被打断",
        "油烟聚集在楼道",
        "没有怀孕",
        "签了保密协议",
        "今年轻生活压力小",
    ],
)
def test_a_cancelled_phrase_raises_nothing(text: str) -> None:
    assert raised(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "不是没有轻生的念头",
        "还没有自杀",
        "并非没有自杀的念头",
        "不敢保证不会轻生",
        "暂时没有自杀",
        "差点没想死",
    ],
)
def test_a_blocked_cancel_phrase_cancels_nothing(text: str) -> None:
    assert raised(text) == ("SELF_HARM",)


def test_only_the_cancelled_place_is_blanked() -> None:
    assert raised("没有自杀，但说想跳河") == ("SELF_HARM",)


def test_a_cancel_phrase_of_one_flag_leaves_the_others_alone() -> None:
    assert raised("没有打孩子，是他拿刀砍人") == ("VIOLENCE",)


def test_a_blocker_counts_only_directly_before_the_phrase() -> None:
    assert raised("还说他没有自杀") == ()


@pytest.mark.parametrize("text", ["活着\n没意思", "活着 没 意思", "活着\u200b没意思", "活着　没意思"])
def test_a_wrapped_or_spaced_phrase_is_found(text: str) -> None:
    assert raised(text) == ("SELF_HARM",)


def test_a_threat_told_of_somebody_else_counts_as_well() -> None:
    assert raised("我弟弟说不想活了") == ("SELF_HARM",)


@pytest.mark.parametrize(
    ("entered", "flags"),
    [
        ({"language": "ii"}, ("VULNERABLE",)),
        ({"language": "zh"}, ()),
        ({"language": "zh-x-linjiang"}, ()),
        ({"language": None}, ()),
        ({"age": 69}, ()),
        ({"age": 70}, ("VULNERABLE",)),
        ({"headcount": 4}, ()),
        ({"headcount": 5}, ("COLLECTIVE",)),
        ({"anonymous": True}, ("CONFIDENTIAL",)),
        ({"anonymous": False}, ()),
    ],
)
def test_entered_fields_raise_flags(entered: dict[str, object], flags: tuple[str, ...]) -> None:
    assert raised("门前路灯不亮", **entered) == flags


def test_flags_stand_in_the_order_of_the_file() -> None:
    assert raised("全体业主请保密，有人说要跳楼，还拿刀") == (
        "SELF_HARM",
        "VIOLENCE",
        "COLLECTIVE",
        "CONFIDENTIAL",
    )


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("没有轻生的念头", ("SELF_HARM",)),
        ("没有打人，也没有打孩子", ("VIOLENCE", "MINOR_AT_RISK")),
        ("不用保密", ()),
        ("住在江边，没有别的事", ()),
        ("没有自杀，但说想跳河", ()),
        ("路灯不亮", ()),
    ],
)
def test_a_denied_danger_is_still_shown(text: str, denied: tuple[str, ...]) -> None:
    assert known().flags.judge(text, Entered()).denied == denied


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("门前路灯不亮", "BLUE"),
        ("右手受伤", "YELLOW"),
        ("24小时内必须搬", "YELLOW"),
        ("２４小时内必须搬", "YELLOW"),
        ("请保密", "BLUE"),
        ("家里有孕妇", "YELLOW"),
        ("他拿刀，我受伤了", "RED"),
        ("停水停电没饭吃死亡", "YELLOW"),
    ],
)
def test_urgency_is_the_highest_and_only_flags_make_it_red(text: str, level: str) -> None:
    assert urgency(text) == level


@pytest.mark.parametrize(
    ("flags", "held"),
    [
        ((), False),
        (("VULNERABLE", "COLLECTIVE"), False),
        (("CONFIDENTIAL",), True),
        (("VULNERABLE", "MASS_EVENT"), True),
    ],
)
def test_some_flags_hold_a_case_back_from_routing(flags: tuple[str, ...], held: bool) -> None:
    assert known().flags.holds_back(flags) is held


def test_only_secrecy_hides_the_applicant() -> None:
    rules = known().flags
    assert [code for code in rules.by_code if rules.hide_contact([code])] == ["CONFIDENTIAL"]


def test_the_phrases_that_led_to_a_flag_are_told() -> None:
    judged = known().flags.judge("他威胁我，还恐吓家人；我没有轻生的念头", Entered(age=90))
    assert judged.because == {
        "SELF_HARM": ("没有轻生的念头",),
        "VIOLENCE": ("威胁", "恐吓"),
        "VULNERABLE": ("age",),
    }


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("我们十七个人的工钱没结", ("COLLECTIVE",)),
        ("我们两个人的工钱没结", ()),
        ("明天四十多人去堵门", ("MASS_EVENT",)),
        ("小区堵车，停着四十多辆车", ()),
    ],
)
def test_a_crowd_counts_that_the_text_tells_of(text: str, flags: tuple[str, ...]) -> None:
    assert raised(text) == flags


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("他抡起铁锹追着我打", "VIOLENCE"),
        ("一把安眠药攥在手里，不想再活", "SELF_HARM"),
        ("隔壁五岁的孩子被锁在家里喊饿", "MINOR_AT_RISK"),
    ],
)
def test_danger_in_everyday_words(text: str, flag: str) -> None:
    assert flag in raised(text)


@pytest.mark.parametrize(
    "text",
    [
        "楼顶漏水，阳台也渗",
        "儿子打工没寄钱，女儿要彩礼",
        "给果树打农药，药味飘进院子",
        "老板砍了价又反悔",
        "打架子鼓太吵",
        "楼上半夜拖家具，去说了三次，对方说再来就等着瞧",
        "合同上没有我签字，物业却照样收费",
        "老伴不在了，想办房子的继承过户",
        "我去政府问过两回，没人答复",
        "他又打电话来催物业费",
        "有车堵我家门口，挪车电话打不通",
        "旅行社让我们六点在小区门口集合",
        "跟合伙人彻底了断，账目要算清",
        "药是空腹喝下的，医院没交代",
        "小区门口坐着下棋的老人太吵",
        "孩子打疫苗送去卫生院排队太久",
        "我打她店里的客服没人接",
        "店员一脚踢坏了我的车门",
        "他把门口的树砍了，要求赔偿",
        "老师收了补课费，孩子写到十点",
        "邻居阳台漏水，半瓶油漆倒在门口",
        "建了群让业主接龙交电梯费",
        "想跳过中介直接租房",
        "老板让我们躺在车间休息",
        "快递被放门口，没有我同意",
        "姥姥姥爷一起住，儿子不养",
        "他把我拉黑了，我没了办法",
        "孩子在学校被老师罚站一节课",
        "要跳过这一步吗，请问怎么办社保",
        "再见了面也不打招呼，邻居有矛盾",
        "喝下午茶时烫伤，要求赔偿",
        "楼上空调外机太响，睡不着",
        "旅游行程被改，六个人要求退团费",
        "我们六户楼道门口堆满杂物",
        "母亲动了手术，医院多收钱",
        "空调罢工了，商家不肯修",
        "死了好多鱼，河水发黑",
        "母亲临终留下遗言把房子给我，弟弟不认",
        "楼上吵得全家睡不好，不得安宁",
        "儿子打工三年没寄钱回来",
        "女儿要彩礼十八万",
        "蚊虫聚集，垃圾站没人清",
        "邻居拦着不让我过路",
        "车祸肋骨断了三根，保险不赔",
        "孩子脸上过敏，幼儿园不管",
        "钥匙锁在家里，请帮忙开锁",
        "老公抱着孩子来办户口，窗口不给办",
        "公司断我社保，要求补缴",
        "施工队断我家水电两天",
        "我跟他去了派出所做笔录",
        "选好日子结婚，婚庆公司却倒闭",
        "农药店卖假农药，苗都死了",
        "学校食堂的饭里吃出虫子",
        "开发商失联，学生宿舍没人管",
        "孩子在商场烫伤，商家不赔",
        "全家在江边散步，被狗咬了",
        "石头从山上滚下来砸了我的车",
        "他拿着钢管修水管，声音很吵",
        "业主们在小区门口跳舞到半夜",
        "货车堵在路口，邻居停车位被占",
        "初三学生报的补习班跑路了",
        "大桥修了两年，绕路太远",
        "一家五口住院，医院多收费",
        "银行贷款利息太高，绝不还高利",
    ],
)
def test_everyday_words_that_are_no_danger(text: str) -> None:
    assert set(raised(text)).isdisjoint({"SELF_HARM", "VIOLENCE", "MINOR_AT_RISK", "MASS_EVENT"})


@pytest.mark.parametrize(
    "text",
    [
        "村里账目三年不公开",
        "催收天天打电话，叫他们别打电话了",
        "老板打击报复，把我调去仓库",
        "路灯坏了看不见路",
        "楼下邻居嫌我家吵，多收了八十块停车费",
    ],
)
def test_everyday_words_that_ask_for_no_care_and_no_secrecy(text: str) -> None:
    assert raised(text) == ()


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("挨了他两拳，鼻血止不住", ("VIOLENCE",)),
        ("两拳打在沙包上练到天黑，第二天早上吃了太多荔枝，流了鼻血", ()),
    ],
)
def test_a_combination_may_ask_that_its_words_stand_near(text: str, flags: tuple[str, ...]) -> None:
    assert raised(text) == flags


@pytest.mark.parametrize(
    ("text", "flags", "denied"),
    [
        ("他没殴打谁", (), ("VIOLENCE",)),
        ("大家没打算静坐", (), ()),
        ("他不会自杀", (), ("SELF_HARM",)),
        ("他还没自杀，快来人", ("SELF_HARM",), ()),
        ("他不是没殴打过人", ("VIOLENCE",), ()),
        ("他没少殴打我", ("VIOLENCE",), ()),
    ],
)
def test_a_negator_directly_before_denies_unless_it_is_blocked(
    text: str, flags: tuple[str, ...], denied: tuple[str, ...]
) -> None:
    judged = known().flags.judge(text, Entered())
    assert (judged.flags, judged.denied) == (flags, denied)


def test_a_list_stands_for_all_its_phrases() -> None:
    limits = {"COLLECTIVE_MIN": 5, "MASS_EVENT_MIN": 5, "ELDER_AGE": 70}
    data = json.loads((DATA / "flags.json").read_text("utf-8"))
    for phrase in data["lists"]["FORCE"]:
        assert any(phrase in rule.any_of for rule in flag_rules(data, limits).by_code["VIOLENCE"].combine)


def test_a_set_names_no_list_that_is_not_there() -> None:
    data = json.loads((DATA / "flags.json").read_text("utf-8"))
    sets = [
        name
        for row in data["flags"]
        for rule in row["combine"]
        for name in (*rule["any_of"], *rule["and_any_of"])
    ]
    assert {name[1:] for name in sets if name.startswith("@")} == data["lists"].keys()


@pytest.mark.parametrize(
    ("one", "other", "within", "stand_near"),
    [
        ((0, 2), (4, 6), 2, True),
        ((0, 2), (4, 6), 1, False),
        ((4, 6), (0, 2), 2, True),
        ((4, 6), (0, 2), 1, False),
        ((0, 2), (2, 4), 0, True),
        ((0, 3), (2, 4), 9, False),
    ],
)
def test_near_counts_the_characters_between_in_either_order(
    one: tuple[int, int], other: tuple[int, int], within: int, stand_near: bool
) -> None:
    assert near([Found("a", *one)], [Found("b", *other)], within) is stand_near


def test_near_finds_the_one_pair_among_far_ones() -> None:
    ones = [Found("a", at, at + 2) for at in (0, 50, 100)]
    others = [Found("b", at, at + 2) for at in (25, 75, 103)]
    assert near(ones, others, 1)
    assert not near(ones[:2], others, 1)
