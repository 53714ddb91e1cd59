"""What a person reads of a fault in a field, by code, in both languages. `{…}` is filled from the rule's
bounds. Where a code alone says too little, and of a refusal, a detail names the words.

Texts of our own, because a validator's messages may repeat what was entered and know one language.
"""

from collections.abc import Mapping
from typing import Any

from libs.web.errors import Title

_TEXTS: dict[str, Title] = {
    "missing": Title("必填", "required"),
    "extra_forbidden": Title("不认识的字段", "not a field of this request"),
    "unknown_parameter": Title("不认识的参数", "not a parameter of this request"),
    "null_byte": Title("不得含有空字符", "must not hold a null character"),
    "too_deep": Title("嵌套过深", "nested too deeply"),
    "string_type": Title("应为文本", "must be a text"),
    "string_too_short": Title("至少 {min_length} 个字符", "at least {min_length} characters"),
    "string_too_long": Title("至多 {max_length} 个字符", "at most {max_length} characters"),
    "string_pattern_mismatch": Title("格式不符", "not of the form that is asked for"),
    "int_type": Title("应为整数", "must be an integer"),
    "int_parsing": Title("应为整数", "must be an integer"),
    "int_from_float": Title("应为整数", "must be an integer"),
    "float_type": Title("应为数字", "must be a number"),
    "float_parsing": Title("应为数字", "must be a number"),
    "finite_number": Title("应为有限的数字", "must be a finite number"),
    "bool_type": Title("应为 true 或 false", "must be true or false"),
    "bool_parsing": Title("应为 true 或 false", "must be true or false"),
    "list_type": Title("应为列表", "must be a list"),
    "tuple_type": Title("应为列表", "must be a list"),
    "dict_type": Title("应为对象", "must be an object"),
    "model_type": Title("应为对象", "must be an object"),
    "model_attributes_type": Title("应为对象", "must be an object"),
    "too_short": Title("至少 {min_length} 项", "at least {min_length} entries"),
    "too_long": Title("至多 {max_length} 项", "at most {max_length} entries"),
    "greater_than": Title("应大于 {gt}", "must be above {gt}"),
    "greater_than_equal": Title("不得小于 {ge}", "must be at least {ge}"),
    "less_than": Title("应小于 {lt}", "must be below {lt}"),
    "less_than_equal": Title("不得大于 {le}", "must be at most {le}"),
    "literal_error": Title("应为 {expected} 之一", "must be one of {expected}"),
    "enum": Title("应为 {expected} 之一", "must be one of {expected}"),
    "uuid_type": Title("应为 UUID", "must be a UUID"),
    "uuid_parsing": Title("应为 UUID", "must be a UUID"),
    "date_type": Title("应为日期，如 2026-03-02", "must be a date like 2026-03-02"),
    "date_parsing": Title("应为日期，如 2026-03-02", "must be a date like 2026-03-02"),
    "date_from_datetime_parsing": Title("应为日期，如 2026-03-02", "must be a date like 2026-03-02"),
    "date_from_datetime_inexact": Title("应为日期，不带时刻", "must be a date without a time"),
    "datetime_type": Title("应为带时区的时间", "must be a time with its zone"),
    "datetime_parsing": Title("应为带时区的时间", "must be a time with its zone"),
    "datetime_from_date_parsing": Title("应为带时区的时间", "must be a time with its zone"),
    "timezone_aware": Title("时间应带时区", "the time needs its zone"),
    "required": Title("必填", "required"),
    "unknown_code": Title("未知代码", "not a code that is in use"),
    "invalid_phone": Title("不是完整的电话号码", "not a whole phone number"),
    "other_district": Title("不属于该行政区", "of another district"),
    "twice": Title("重复", "given twice"),
    "not_for_task": Title(
        "密封件的任务不出密封队列，其他任务也不进入",
        "no task of a sealed case leaves the sealed queue, and no other comes into it",
    ),
    "must_be_written": Title("须为书面形式", "must be in writing"),
    "not_for_child": Title("该类型不能作为子案", "this kind is no child of another case"),
    "no_level": Title("没有这一级区域", "no level of areas has codes of this length"),
    "no_parent": Title("上级区域不存在", "the area above it is unknown"),
    "not_the_address": Title("与地址中的编号不一致", "not the one in the address"),
    "nothing_to_search": Title(
        "没有可查的内容：请给出相连的两个汉字、一个外文词或三位以内的数字，最常用的词不算；电话请填 phone",
        "nothing to look for: give two adjacent Chinese characters, a whole word of another script or a "
        "number of up to three digits; the commonest pairs do not count; a phone number goes into `phone`",
    ),
    "ends_before_it_begins": Title("结束日期早于开始日期", "ends before it begins"),
    "empty": Title("文件为空", "the file is empty"),
    "not_text": Title("不是 UTF-8 或 GB18030 文本", "no text in UTF-8 or GB18030"),
    "malformed": Title("引号不成对或位置不当", "a quote is missing or misplaced"),
    "row_too_long": Title("该行过长", "the row is too long"),
    "too_many_columns": Title("列数过多", "too many columns"),
    "too_many_rows": Title("行数过多：请分成几个文件", "too many rows: send several files"),
    "unpacks_too_large": Title("解压后过大", "too large when it is unpacked"),
    "no_workbook": Title("不是完好的 XLSX 工作簿", "no sound XLSX workbook"),
    "cell_error": Title(
        "单元格是错误值（如 #N/A、#DIV/0!）：请更正后再发送",
        "a cell holds an error (such as #N/A): correct it and send the file again",
    ),
    "formula_without_value": Title(
        "公式没有算出的值：请用表格程序打开、保存后再发送",
        "a formula without its value: open and save the file in a spreadsheet program first",
    ),
    "unknown_type": Title(
        "不是可接收的文件类型：请发送图片、PDF、录音、视频、文本、DOCX 或 XLSX",
        "no kind of file that is taken: send a picture, PDF, recording, film, text, DOCX or XLSX",
    ),
    "damaged": Title("文件已损坏或不完整", "damaged, or not whole"),
    "unreadable": Title("文件无法检查", "it cannot be looked through"),
    "animated": Title("不接收动态图片：请发送单张图片", "a picture that moves: send single ones"),
    "too_many_pixels": Title("图片像素过多", "too many pixels"),
    "trailing_data": Title("文件前后带有不属于它的内容", "something stands before or behind it"),
    "polyglot": Title("该文件同时也是压缩包", "an archive at the same time"),
    "archive": Title("不接收压缩包：请逐个发送文件", "an archive: send each file by itself"),
    "nested_archive": Title(
        "文件内含压缩包、旧版 Office 文件或程序",
        "an archive, a file of an older office or a program is inside",
    ),
    "encrypted": Title("文件已加密：请发送未加密的文件", "encrypted: send it without a password"),
    "macros": Title("文件含有宏", "it holds macros"),
    "active_content": Title("文件含有会自动执行的内容", "it holds what acts by itself"),
    "markup": Title("文本中含有网页或脚本代码", "a page or a script stands in the text"),
    "wrong_extension": Title("扩展名与内容不符", "its name says another kind than its content"),
    "wrong_media_type": Title("声明的类型与内容不符", "said to be of another kind than its content"),
    "file_too_large": Title("文件过大", "larger than files of this kind may be"),
    "one_file": Title("每次只能发送一个文件", "one file in each request"),
    "unknown_heading": Title("不认识的列名", "not a heading of the template"),
    "heading_twice": Title("列名重复", "a heading that stands twice"),
    "heading_missing": Title("缺少必填的列：诉求内容", "the column 诉求内容 must be there"),
    "digits_lost": Title(
        "数字超过 15 位，末位已丢失：请将该格设为文本后重新填写",
        "a number of more than 15 digits lost its last ones: enter it as text",
    ),
    "extra_cells": Title("超出表头的内容", "more cells than headings"),
    "yes_or_no": Title("应为 是 或 否", "must be 是 or 否"),
    "yuan": Title("应为以元计的金额，至多两位小数", "must be an amount in yuan, at most two decimals"),
    "local_time": Title("应为时间，如 2026-03-02 10:30", "must be a time like 2026-03-02 10:30"),
    "dated_facts": Title("应为 代码=日期，以；分隔", "must be code=date, divided by ；"),
    "in_future": Title("不得晚于现在", "must not lie in the future"),
    "before_forwarding": Title("不得早于转送时间", "must not lie before the matter was forwarded"),
    "before_receipt": Title("不得早于收到诉求的时间", "must not lie before the matter was received"),
    "too_early": Title("早于 {earliest} 年", "before {earliest}"),
    "too_late": Title("超出可记录的年份", "beyond the years that can be kept"),
    "unprintable": Title("不得含有控制字符", "must not hold control characters"),
    "tag_only": Title("只能与其他类别并用", "stands beside another category, never instead of it"),
    "staff_only": Title("仅限工作人员填写", "for staff alone"),
    "not_for_key": Title("该密钥无此权限", "not with this key"),
    "in_past": Title("不得早于现在", "must lie in the future"),
    "no_place": Title("请填写 address_string 或 lat 与 long", "address_string, or lat and long"),
    "half_a_place": Title("lat 与 long 须同时填写", "lat and long belong together"),
    "malformed_cursor": Title("翻页标记无效", "not a cursor of this list"),
    "cursor_of_before_a_restore": Title(
        "翻页标记早于一次数据恢复：请从头读取", "a cursor of before a restore: read from the beginning"
    ),
    "invalid": Title("不符合要求", "not valid"),
    "in_the_future": Title("不得晚于现在", "must not lie in the future"),
    "in_the_past": Title("不得早于今天", "a day from today on"),
    "out_of_range": Title("超出允许的范围", "out of the range that is allowed"),
    "nothing_to_do": Title("没有要变更的内容", "there is nothing to change"),
    "same_case": Title("就是本案件", "this case itself"),
    "several_districts": Title("该凭证涉及多个行政区：请写明一个", "the credential has several: name one"),
    "own_district": Title("请写明您所在的行政区", "name a district that is yours"),
    "not_for_action": Title("不适用于所选的处理方式", "not with this action"),
    "not_for_kind": Title("只有申诉求决件才填依法分类的途径", "only a petition has a lawful route"),
    "not_with_registration": Title("登记时不能同时撤回", "not in the act of registering"),
    "not_amendable": Title(
        "受理后不能再改类型，检举控告始终不能改",
        "the kind stands once the case is accepted, that of an accusation from the beginning",
    ),
    "kind_to_accept": Title(
        "没有类型就没有可受理的程序，请先确定类型", "without a kind there is no track to accept it on"
    ),
    "public_body": Title(
        "受理时只有申诉求决和建议意见可写去向，且须为有权处理的机关",
        "with an acceptance only a petition or a suggestion is directed, and to a public body",
    ),
    "not_raised": Title("案件没有这一标记可取消", "no such flag to lower"),
    "lowered_with_reason": Title("取消标记须说明原因", "a flag is lowered with a reason"),
    "not_held_back": Title("没有标记使案件暂缓派单，无须放行", "no flag holds this case back"),
    "not_held": Title("案件没有这一保留可解除", "no such hold to lift"),
    "lifted_with_reason": Title("解除保留须说明原因", "a hold is lifted with a reason"),
    "imports_waiting": Title("您已有导入文件在等待处理", "imports of yours are waiting"),
    "not_csv": Title("不是 UTF-8 或 GB18030 的 CSV 文件", "not a CSV file in UTF-8 or GB18030"),
    "not_xlsx": Title(
        "不是 XLSX 文件：请另存为不带密码的 Excel 工作簿",
        "not an XLSX file: save it as an Excel workbook without a password",
    ),
    "send_a_form": Title("请以表单发送", "send a form"),
    "not_for_partners": Title("该类型不交社会组织办理", "this kind never goes to a partner"),
    "hours_reversed": Title("结束时间须晚于同日的开始时间", "hours end after they begin, on the same day"),
    "unknown_field": Title("不是该模板的变量", "not a placeholder of the template"),
    "sms_missing_value": Title("模板的变量缺少内容", "a placeholder has no value"),
    "sms_bad_value": Title("变量内容过长或含有链接", "a value is too long or holds a link"),
    "sms_forbidden_word": Title("含有运营商不放行的词语或换行", "a word that carriers block, or a new line"),
    "sms_too_long": Title("超出一条短信的长度", "longer than one SMS"),
    "written_labour_agreement": Title(
        "劳动争议调解协议须为书面（劳动争议调解仲裁法第十四条）", "must be in writing (LDMA art 14)"
    ),
    "written_opinion": Title(
        "信访处理意见须为书面（信访工作条例第三十二条）", "must be in writing (XF22 art 32)"
    ),
    "unknown_item": Title("不是协议的履行项（从 1 编号）", "an item of the agreement, from 1"),
    "session_known": Title("该次调解会的结果已经记录", "the outcome of this session is known"),
    "session_time": Title("应在承接之日起、一年以内", "from the take-up on, within a year"),
    "extended_until": Title("应晚于现有的届满日、在一年以内", "after the present end, within a year"),
    "both_prolong": Title("延长期限须双方同意", "both parties prolong a term"),
    "another_organisation": Title("请写明应改由哪个组织承接", "who should have it instead"),
    "other_explained": Title("选择其他须说明", "OTHER needs an explanation"),
    "routes_told": Title("请写明告知了当事人哪些途径", "the routes told to the parties"),
    "lawful_route": Title("应为 R1 至 R6", "R1 to R6"),
    "partner_result": Title("应为组织可用的办结结果", "a result for organisations"),
    "rule_or_term": Title("rule 与 term 须填且只填一项", "name either a rule or a term"),
    "unknown_rule": Title("没有这一期限规则", "no rule of deadlines.json has this id"),
    "not_a_time": Title("既不是日期，也不是带时区的时间", "neither a date nor an instant with offset"),
    "offset_missing": Title("时间应带时区", "an instant must carry its offset"),
    "unknown_measure": Title("不认识的时间单位", "no such measure"),
    "unknown_unit": Title(
        "应为 calendar 或 working，只有日可按工作日计", "calendar or working, and only days are working days"
    ),
    "length_out_of_range": Title("期限应在 0 至 20 年之间", "a term lasts from 0 to 20 years"),
    "start_out_of_range": Title("期限超出了日历的范围", "the term ends beyond the calendar"),
    "pause_reversed": Title("暂停的结束早于开始", "a pause ends before it begins"),
    "pause_too_long": Title("一次暂停至多 20 年", "a pause lasts at most 20 years"),
}

_OTHER = _TEXTS["invalid"]


class _Bounds(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return "…"


def text(code: str, language: str, bounds: Mapping[str, Any] | None = None) -> str:
    """The text of a code in `zh` or `en`; of an unknown code a general one."""
    title = _TEXTS.get(code, _OTHER)
    template = title.en if language == "en" else title.zh
    return template.format_map(_Bounds(bounds or {}))


def worded(detail: str, language: str) -> str:
    """The words that a detail names, in `zh` or `en`; other words as they are."""
    return text(detail, language) if known(detail) else detail


def known(code: str) -> bool:
    """Whether there is a text of its own for the code."""
    return code in _TEXTS
