//! Headers of the list of judgment debtors (失信被执行人) as published reports print them.

use super::Dialect::ChineseLabels;
use super::{Meaning, Synonym, synonym};

/// The template this product writes: field and header. The reports' one column for both kinds of number is two here,
/// so that nothing has to be told apart by its form.
pub(crate) const TEMPLATE: &[(&str, &str)] = &[
    ("subject_name", "失信被执行人姓名/名称"),
    ("subject_code", "统一社会信用代码"),
    ("organisation_code", "组织机构代码"),
    ("person_number", "身份证号码"),
    ("enforcing_court", "执行法院"),
    ("province", "省份"),
    ("basis_document_number", "执行依据文号"),
    ("filing_date", "立案时间"),
    ("case_number", "案号"),
    ("basis_document_maker", "做出执行依据单位"),
    ("obligation", "生效法律文书确定的义务"),
    ("performance_state", "被执行人的履行情况"),
    ("circumstances", "失信被执行人行为具体情形"),
    ("publication_date", "发布时间"),
    ("performed_part", "已履行部分"),
    ("unperformed_part", "未履行部分"),
    ("source_unit_name", "数据来源"),
];

/// Every header that is understood.
pub(crate) const SYNONYMS: &[Synonym] = &[
    synonym(ChineseLabels, "失信被执行人姓名/名称", "subject_name"),
    synonym(ChineseLabels, "被执行人姓名/名称", "subject_name"),
    synonym(ChineseLabels, "失信被执行人名称", "subject_name"),
    synonym(ChineseLabels, "失信被执行人姓名", "subject_name"),
    synonym(ChineseLabels, "统一社会信用代码", "subject_code"),
    synonym(ChineseLabels, "组织机构代码", "organisation_code"),
    synonym(ChineseLabels, "身份证号码", "person_number"),
    synonym(ChineseLabels, "身份证号", "person_number"),
    Synonym {
        dialect: ChineseLabels, header: "身份证号码/组织机构代码", meaning: Meaning::DebtorNumber
    },
    synonym(ChineseLabels, "执行法院", "enforcing_court"),
    synonym(ChineseLabels, "省份", "province"),
    synonym(ChineseLabels, "执行依据文号", "basis_document_number"),
    synonym(ChineseLabels, "立案时间", "filing_date"),
    synonym(ChineseLabels, "立案日期", "filing_date"),
    synonym(ChineseLabels, "案号", "case_number"),
    synonym(ChineseLabels, "做出执行依据单位", "basis_document_maker"),
    synonym(ChineseLabels, "作出执行依据单位", "basis_document_maker"),
    synonym(ChineseLabels, "生效法律文书确定的义务", "obligation"),
    synonym(ChineseLabels, "被执行人的履行情况", "performance_state"),
    synonym(ChineseLabels, "失信被执行人行为具体情形", "circumstances"),
    synonym(ChineseLabels, "发布时间", "publication_date"),
    synonym(ChineseLabels, "发布日期", "publication_date"),
    synonym(ChineseLabels, "已履行部分", "performed_part"),
    synonym(ChineseLabels, "未履行部分", "unperformed_part"),
    synonym(ChineseLabels, "数据来源", "source_unit_name"),
    synonym(ChineseLabels, "数据来源单位", "source_unit_name"),
];
