//! Headers and keys of administrative penalties (行政处罚) in five dialects.

use chengxin_schemas::money::MoneyUnit::{TenThousandYuan, Yuan};

use super::Dialect::{ChineseLabels, CreditChina, DataElementKeys, EnglishStore, NationalKeys};
use super::{Dialect, Header, Meaning, Synonym, TemplateVersion, money, synonym};

/// The newer 30-column layout in order: key, header, and the columns it shares with the two of 2018.
const COLUMNS: [(&str, &str, Part); 31] = [
    ("cf_xdr_mc", "行政相对人名称", Part::All),
    ("cf_xdr_lb", "行政相对人类别", Part::Unified),
    ("cf_xdr_shxym", "行政相对人代码_1(统一社会信用代码)", Part::Organisation),
    ("cf_xdr_gszc", "行政相对人代码_2(工商注册号)", Part::Organisation),
    ("cf_xdr_zzjg", "行政相对人代码_3(组织机构代码)", Part::Organisation),
    ("cf_xdr_swdj", "行政相对人代码_4(税务登记号)", Part::Organisation),
    ("cf_xdr_sydw", "行政相对人代码_5(事业单位证书号)", Part::Organisation),
    ("cf_xdr_shzz", "行政相对人代码_6(社会组织登记证号)", Part::Organisation),
    ("cf_frdb", "法定代表人", Part::Organisation),
    ("cf_fr_zjlx", "法定代表人证件类型", Part::Unified),
    ("cf_fr_sfzh", "法定代表人身份证号", Part::LegalPersons2018),
    ("cf_fr_sfzh", "法定代表人证件号码", Part::Unified),
    ("cf_xdr_zjlx", "证件类型", Part::Person),
    ("cf_xdr_zjhm", "证件号码", Part::Person),
    ("cf_wsh", "行政处罚决定书文号", Part::All),
    ("cf_wfxw", "违法行为类型", Part::All),
    ("cf_sy", "违法事实", Part::All),
    ("cf_yj", "处罚依据", Part::All),
    ("cf_cflb", "处罚类别", Part::All),
    ("cf_nr", "处罚内容", Part::All),
    ("cf_nr_fk", "罚款金额(万元)", Part::All),
    ("cf_nr_wfff", "没收违法所得、没收非法财物的金额(万元)", Part::All),
    ("cf_nr_zkdx", "暂扣或吊销证照名称及编号", Part::All),
    ("cf_jdrq", "处罚决定日期", Part::All),
    ("cf_yxq", "处罚有效期", Part::All),
    ("cf_gsjzq", "公示截止期", Part::All),
    ("cf_cfjg", "处罚机关", Part::All),
    ("cf_cfjgdm", "处罚机关统一社会信用代码", Part::All),
    ("cf_sjly", "数据来源单位", Part::All),
    ("cf_sjlydm", "数据来源单位统一社会信用代码", Part::All),
    ("bz", "备注", Part::All),
];

/// Which of the layouts have a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    Organisation,
    Person,
    Unified,
    LegalPersons2018,
}

/// Key and header of every column of a layout, in order; of the unified one for any other version.
pub(crate) fn columns(version: TemplateVersion) -> Vec<(&'static str, &'static str)> {
    let has = |part: Part| match version {
        TemplateVersion::PenaltyLegalPersons2018 => {
            matches!(part, Part::All | Part::Organisation | Part::LegalPersons2018)
        }
        TemplateVersion::PenaltyNaturalPersons2018 => matches!(part, Part::All | Part::Person),
        TemplateVersion::PenaltyUnified
        | TemplateVersion::PenaltyPartial
        | TemplateVersion::JudgmentDebtorList => part != Part::LegalPersons2018,
    };
    COLUMNS.iter().filter(|(_, _, part)| has(*part)).map(|(key, header, _)| (*key, *header)).collect()
}

/// Which layout a header is, by the columns that only one has.
pub(crate) fn version(header: &Header) -> TemplateVersion {
    let has = |field: &str| header.column_of(field).is_some();
    let organisation = has("registration_number") && has("tax_registration_number") && has("subject_code");
    let person = has("person_document_type") && has("person_number");
    let body =
        has("breach_type") && has("facts") && has("basis") && has("publicity_end") && has("authority_code");
    match (body, organisation, person) {
        (true, true, true) => TemplateVersion::PenaltyUnified,
        (true, true, false) => TemplateVersion::PenaltyLegalPersons2018,
        (true, false, true) => TemplateVersion::PenaltyNaturalPersons2018,
        _ => TemplateVersion::PenaltyPartial,
    }
}

/// The template this product writes: field and header of the 30-column layout. The header text is the national one,
/// with the brackets as its files print them.
pub(crate) const TEMPLATE: &[(&str, &str)] = &[
    ("subject_name", "行政相对人名称"),
    ("subject_category", "行政相对人类别"),
    ("subject_code", "行政相对人代码_1 (统一社会信用代码)"),
    ("registration_number", "行政相对人代码_2 (工商注册号)"),
    ("organisation_code", "行政相对人代码_3 (组织机构代码)"),
    ("tax_registration_number", "行政相对人代码_4 (税务登记号)"),
    ("public_institution_certificate", "行政相对人代码_5 (事业单位证书号)"),
    ("social_organisation_certificate", "行政相对人代码_6 (社会组织登记证号)"),
    ("legal_representative", "法定代表人"),
    ("legal_representative_document_type", "法定代表人证件类型"),
    ("legal_representative_number", "法定代表人证件号码"),
    ("person_document_type", "证件类型"),
    ("person_number", "证件号码"),
    ("decision_number", "行政处罚决定书文号"),
    ("breach_type", "违法行为类型"),
    ("facts", "违法事实"),
    ("basis", "处罚依据"),
    ("penalty_kinds", "处罚类别"),
    ("penalty_content", "处罚内容"),
    ("fine", "罚款金额 (万元)"),
    ("confiscated", "没收违法所得、没收非法财物的金额 (万元)"),
    ("licence_affected", "暂扣或吊销证照名称及编号"),
    ("decision_date", "处罚决定日期"),
    ("valid_until", "处罚有效期"),
    ("publicity_end", "公示截止期"),
    ("authority_name", "处罚机关"),
    ("authority_code", "处罚机关统一社会信用代码"),
    ("source_unit_name", "数据来源单位"),
    ("source_unit_code", "数据来源单位统一社会信用代码"),
    ("remark", "备注"),
];

const fn second_kind(dialect: Dialect, header: &'static str) -> Synonym {
    Synonym { dialect, header, meaning: Meaning::SecondPenaltyKind }
}

/// Every header that is understood. Keys of the national dialect also occur without underscores and in other case;
/// normalisation makes those one.
pub(crate) const SYNONYMS: &[Synonym] = &[
    synonym(NationalKeys, "cf_xdr_mc", "subject_name"),
    synonym(NationalKeys, "cf_xdr_lb", "subject_category"),
    synonym(NationalKeys, "cf_xdr_shxym", "subject_code"),
    synonym(NationalKeys, "cf_xdr_gszc", "registration_number"),
    synonym(NationalKeys, "cf_xdr_zzjg", "organisation_code"),
    synonym(NationalKeys, "cf_xdr_swdj", "tax_registration_number"),
    synonym(NationalKeys, "cf_xdr_sydw", "public_institution_certificate"),
    synonym(NationalKeys, "cf_xdr_shzz", "social_organisation_certificate"),
    synonym(NationalKeys, "shzzdjzh", "social_organisation_certificate"),
    synonym(NationalKeys, "cf_frdb", "legal_representative"),
    synonym(NationalKeys, "cf_fr_zjlx", "legal_representative_document_type"),
    synonym(NationalKeys, "cf_fr_sfzh", "legal_representative_number"),
    synonym(NationalKeys, "cf_xdr_zjlx", "person_document_type"),
    synonym(NationalKeys, "cf_xdr_zjhm", "person_number"),
    synonym(NationalKeys, "cf_wsh", "decision_number"),
    synonym(NationalKeys, "cf_wfxw", "breach_type"),
    synonym(NationalKeys, "cf_sy", "facts"),
    synonym(NationalKeys, "cf_yj", "basis"),
    synonym(NationalKeys, "cf_cflb", "penalty_kinds"),
    second_kind(NationalKeys, "cf_cflb2"),
    synonym(NationalKeys, "cf_nr", "penalty_content"),
    money(NationalKeys, "cf_nr_fk", "fine", TenThousandYuan),
    money(NationalKeys, "cf_nr_wfff", "confiscated", TenThousandYuan),
    synonym(NationalKeys, "cf_nr_zkdx", "licence_affected"),
    synonym(NationalKeys, "cf_jdrq", "decision_date"),
    synonym(NationalKeys, "cf_yxq", "valid_until"),
    synonym(NationalKeys, "cf_gsjzq", "publicity_end"),
    synonym(NationalKeys, "cf_cfjg", "authority_name"),
    synonym(NationalKeys, "cf_cfjgdm", "authority_code"),
    synonym(NationalKeys, "cf_sjly", "source_unit_name"),
    synonym(NationalKeys, "cf_sjlydm", "source_unit_code"),
    synonym(NationalKeys, "bz", "remark"),
    // Keys that only the rows of the Credit China query interface have. cf_jg is the result, cf_cfjg the authority.
    synonym(CreditChina, "cf_fr", "legal_representative"),
    synonym(CreditChina, "cf_cflb1", "penalty_kinds"),
    synonym(CreditChina, "cf_jg", "penalty_content"),
    synonym(CreditChina, "cf_qx", "valid_until"),
    // The Chinese headers of the template and of published reports.
    synonym(ChineseLabels, "行政相对人名称", "subject_name"),
    synonym(ChineseLabels, "行政相对人类别", "subject_category"),
    synonym(ChineseLabels, "行政相对人代码_1(统一社会信用代码)", "subject_code"),
    synonym(ChineseLabels, "行政相对人代码_1", "subject_code"),
    synonym(ChineseLabels, "统一社会信用代码", "subject_code"),
    synonym(ChineseLabels, "行政相对人代码_2(工商注册号)", "registration_number"),
    synonym(ChineseLabels, "行政相对人代码_2(工商登记码)", "registration_number"),
    synonym(ChineseLabels, "行政相对人代码_2", "registration_number"),
    synonym(ChineseLabels, "工商注册号", "registration_number"),
    synonym(ChineseLabels, "行政相对人代码_3(组织机构代码)", "organisation_code"),
    synonym(ChineseLabels, "行政相对人代码_3", "organisation_code"),
    synonym(ChineseLabels, "组织机构代码", "organisation_code"),
    synonym(ChineseLabels, "行政相对人代码_4(税务登记号)", "tax_registration_number"),
    synonym(ChineseLabels, "行政相对人代码_4", "tax_registration_number"),
    synonym(ChineseLabels, "税务登记号", "tax_registration_number"),
    synonym(ChineseLabels, "行政相对人代码_5(事业单位证书号)", "public_institution_certificate"),
    synonym(ChineseLabels, "行政相对人代码_5", "public_institution_certificate"),
    synonym(ChineseLabels, "事业单位证书号", "public_institution_certificate"),
    synonym(ChineseLabels, "行政相对人代码_6(社会组织登记证号)", "social_organisation_certificate"),
    synonym(ChineseLabels, "行政相对人代码_6", "social_organisation_certificate"),
    synonym(ChineseLabels, "社会组织登记证号", "social_organisation_certificate"),
    synonym(ChineseLabels, "法定代表人", "legal_representative"),
    synonym(ChineseLabels, "法定代表人姓名", "legal_representative"),
    synonym(ChineseLabels, "法定代表人(负责人)", "legal_representative"),
    synonym(ChineseLabels, "法定代表人证件类型", "legal_representative_document_type"),
    synonym(ChineseLabels, "法定代表人身份证号", "legal_representative_number"),
    synonym(ChineseLabels, "法定代表人身份证号码", "legal_representative_number"),
    synonym(ChineseLabels, "法定代表人证件号码", "legal_representative_number"),
    synonym(ChineseLabels, "证件类型", "person_document_type"),
    synonym(ChineseLabels, "自然人证件类型", "person_document_type"),
    synonym(ChineseLabels, "证件号码", "person_number"),
    synonym(ChineseLabels, "自然人证件号码", "person_number"),
    synonym(ChineseLabels, "行政处罚决定书文号", "decision_number"),
    synonym(ChineseLabels, "行政处罚决定书文书号", "decision_number"),
    synonym(ChineseLabels, "行政处罚决定文书号", "decision_number"),
    synonym(ChineseLabels, "处罚决定书文号", "decision_number"),
    synonym(ChineseLabels, "违法行为类型", "breach_type"),
    synonym(ChineseLabels, "违法事实", "facts"),
    synonym(ChineseLabels, "处罚事由", "facts"),
    synonym(ChineseLabels, "处罚依据", "basis"),
    synonym(ChineseLabels, "处罚类别", "penalty_kinds"),
    synonym(ChineseLabels, "处罚类别1", "penalty_kinds"),
    second_kind(ChineseLabels, "处罚类别2"),
    synonym(ChineseLabels, "处罚内容", "penalty_content"),
    synonym(ChineseLabels, "罚款金额", "fine"),
    money(ChineseLabels, "罚款金额(万元)", "fine", TenThousandYuan),
    money(ChineseLabels, "罚款金额(元)", "fine", Yuan),
    synonym(ChineseLabels, "没收违法所得、没收非法财物的金额", "confiscated"),
    money(ChineseLabels, "没收违法所得、没收非法财物的金额(万元)", "confiscated", TenThousandYuan),
    money(ChineseLabels, "没收违法所得、没收非法财物的金额(元)", "confiscated", Yuan),
    synonym(ChineseLabels, "暂扣或吊销证照名称及编号", "licence_affected"),
    synonym(ChineseLabels, "处罚决定日期", "decision_date"),
    synonym(ChineseLabels, "处罚有效期", "valid_until"),
    synonym(ChineseLabels, "公示截止期", "publicity_end"),
    synonym(ChineseLabels, "公示截止日期", "publicity_end"),
    synonym(ChineseLabels, "公示截止时间", "publicity_end"),
    synonym(ChineseLabels, "处罚机关", "authority_name"),
    synonym(ChineseLabels, "处罚机关统一社会信用代码", "authority_code"),
    synonym(ChineseLabels, "数据来源", "source_unit_name"),
    synonym(ChineseLabels, "数据来源单位", "source_unit_name"),
    synonym(ChineseLabels, "数据来源单位统一社会信用代码", "source_unit_code"),
    synonym(ChineseLabels, "备注", "remark"),
    // The English-name store of 2019; the misspelling VAILD is the system's own.
    synonym(EnglishStore, "PUNISHMENT_VALID_DATE", "valid_until"),
    synonym(EnglishStore, "ADM_COUNTERPART", "subject_name"),
    synonym(EnglishStore, "ADM_COUNTERPART_CAT", "subject_category"),
    synonym(EnglishStore, "USCC", "subject_code"),
    synonym(EnglishStore, "REG_NUM", "registration_number"),
    synonym(EnglishStore, "ORG_CODE", "organisation_code"),
    synonym(EnglishStore, "TAX_REG_NUM", "tax_registration_number"),
    synonym(EnglishStore, "PUBLIC_INST_NUM", "public_institution_certificate"),
    synonym(EnglishStore, "ORG_NUM", "social_organisation_certificate"),
    synonym(EnglishStore, "LEGAL_REP", "legal_representative"),
    synonym(EnglishStore, "LEGAL_REP_CERT_TYPE", "legal_representative_document_type"),
    synonym(EnglishStore, "LEGAL_REP_CERT_NUM", "legal_representative_number"),
    synonym(EnglishStore, "CERT_TYPE", "person_document_type"),
    synonym(EnglishStore, "CERT_NUM", "person_number"),
    synonym(EnglishStore, "ADM_PENALTY_DECIDE_NUM", "decision_number"),
    synonym(EnglishStore, "ILLEGAL_ACT_TYPE", "breach_type"),
    synonym(EnglishStore, "ILLEGAL_FACTS", "facts"),
    synonym(EnglishStore, "PUNISHMENT_BASIS", "basis"),
    synonym(EnglishStore, "PUNISHMENT_CATEGORY", "penalty_kinds"),
    synonym(EnglishStore, "PUNISHMENT_CONTENT", "penalty_content"),
    money(EnglishStore, "PENALTY", "fine", TenThousandYuan),
    money(EnglishStore, "ILLEGAL_INCOME", "confiscated", TenThousandYuan),
    synonym(EnglishStore, "LICENSE_NAME_NUM", "licence_affected"),
    synonym(EnglishStore, "PUNISHMENT_DEC_DATE", "decision_date"),
    synonym(EnglishStore, "PUNISHMENT_VAILD_DATE", "valid_until"),
    synonym(EnglishStore, "PUBLIC_DEADLINE", "publicity_end"),
    synonym(EnglishStore, "PUNISHMENT_AUTH", "authority_name"),
    synonym(EnglishStore, "PUNISHMENT_AUTH_USCC", "authority_code"),
    synonym(EnglishStore, "SOURCE_UNIT", "source_unit_name"),
    synonym(EnglishStore, "SOURCE_UNIT_USCC", "source_unit_code"),
    synonym(EnglishStore, "REMARK", "remark"),
    // Data-element keys. xy010133 is the code only, although one client reads the counterpart's kind from it.
    synonym(DataElementKeys, "xy010101", "subject_name"),
    synonym(DataElementKeys, "xy010133", "subject_code"),
    synonym(DataElementKeys, "xy010105", "legal_representative"),
    synonym(DataElementKeys, "xy010107", "legal_representative_document_type"),
    synonym(DataElementKeys, "xy010108", "legal_representative_number"),
    synonym(DataElementKeys, "xy020102", "decision_number"),
    synonym(DataElementKeys, "xy020109", "breach_type"),
    synonym(DataElementKeys, "xy020104", "facts"),
    synonym(DataElementKeys, "xy020106", "basis"),
    synonym(DataElementKeys, "xy020103", "penalty_kinds"),
    synonym(DataElementKeys, "xy020130", "penalty_content"),
    money(DataElementKeys, "xy020116", "fine", TenThousandYuan),
    synonym(DataElementKeys, "xy020107", "decision_date"),
    synonym(DataElementKeys, "effective_date", "valid_until"),
    synonym(DataElementKeys, "xy020133", "publicity_end"),
    synonym(DataElementKeys, "xy020101", "authority_name"),
    synonym(DataElementKeys, "xy020134", "authority_code"),
    synonym(DataElementKeys, "xy020135", "source_unit_name"),
    synonym(DataElementKeys, "xy020136", "source_unit_code"),
    synonym(DataElementKeys, "xy020108", "remark"),
];
