//! Reasons of `policy`: denials, withheld fields and measures not applied.

/// English and Chinese, by the source file that writes the text first.
pub(super) const TEXTS: &[(&str, &str)] = &[
    // denial.rs
    ("the policy has no such purpose", "策略中没有该用途"),
    ("no information category was asked for", "未指定信息类别"),
    ("rule {} forbids it", "规则 {0} 明确禁止"),
    ("the purpose is only for: {}", "该用途只能用于：{0:action}"),
    ("the purpose is only for roles: {}", "该用途只限角色：{0:role}"),
    ("the purpose is only for bodies with the function: {}", "该用途只限承担以下职能的单位：{0}"),
    ("the purpose is only about: {}", "该用途只适用于：{0:kind}"),
    ("the purpose may see only: {}", "该用途可见的信息类别：{0:category}"),
    ("the purpose needs the number of an open case or project", "该用途须填写案件或项目编号"),
    ("the purpose has no basis of its own: cite one", "该用途没有默认依据，须写明法律依据"),
    ("the purpose needs the subject's written authorisation", "该用途须有信用主体的书面授权"),
    ("the purpose needs the release of another person of the asking body", "该用途须由本单位另一人放行"),
    ("only the body's own records may be read", "只能读取本单位自己的记录"),
    (
        "the purpose allows one operator {} requests a day, which are used up",
        "该用途每人每日限 {0} 次，今日次数已用完",
    ),
    (
        "the purpose allows one body {} requests a day, which are used up",
        "该用途每个单位每日限 {0} 次，该单位今日次数已用完",
    ),
    ("no rule allows it", "没有规则允许"),
    ("the rule engine failed, so the request is denied", "策略引擎故障，按拒绝处理"),
    ("denied by {}: {}", "被规则 {0} 拒绝: {1:word}"),
    // measures.rs
    ("this body does not carry the measure out", "本单位不承担该措施的实施职能"),
    ("the measure is not in the list of sanction measures", "措施不在失信惩戒措施清单内"),
    ("the measure does not strike this kind of subject", "措施不适用于该类主体"),
    ("the breach is milder than the measure allows", "失信程度低于该措施的适用下限"),
    // permit.rs
    ("the permit does not cover this category", "本次许可不含该信息类别"),
    ("the level is above what the purpose may see", "数据级别高于该用途可见的级别"),
    ("only part may be released, and the field cannot be masked", "该字段只能部分提供，且无法脱敏"),
    ("not shared with other bodies", "不予共享"),
    ("not classified", "未分类分级"),
];
