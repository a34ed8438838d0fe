//! Who plays: five invented public bodies of an invented region, with codes that pass their checks.

/// One body of the demo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    /// Folder and log name.
    pub(crate) key: &'static str,
    /// Unified social credit code.
    pub(crate) code: &'static str,
    /// Name.
    pub(crate) name: &'static str,
    /// Region it serves.
    pub(crate) region: &'static str,
    /// What it does by law.
    pub(crate) functions: &'static [&'static str],
}

/// The first is the coordinator.
pub(crate) const BODIES: [Body; 5] = [
    Body {
        key: "coordinator",
        code: "12150000DEM0000144",
        name: "示例自治区公共信用信息中心",
        region: "150000",
        functions: &["data-administration"],
    },
    Body {
        key: "finance",
        code: "11150000DEM000129D",
        name: "示例自治区财政厅",
        region: "150000",
        functions: &["finance"],
    },
    Body {
        key: "market",
        code: "11150000DEM000233H",
        name: "示例自治区市场监督管理局",
        region: "150000",
        functions: &["market-regulation"],
    },
    Body {
        key: "reform",
        code: "11150000DEM000348P",
        name: "示例自治区发展和改革委员会",
        region: "150000",
        functions: &["credit-coordination"],
    },
    Body {
        key: "league",
        code: "11152500DEM000452E",
        name: "示例盟行政公署",
        region: "152500",
        functions: &["regional-government"],
    },
];

/// The coordinator.
pub(crate) const COORDINATOR: usize = 0;
/// Who buys and checks.
pub(crate) const FINANCE: usize = 1;
/// Who penalises and issues the notice.
pub(crate) const MARKET: usize = 2;
/// Who answers.
pub(crate) const REFORM: usize = 3;
/// Who is down while the notice is issued.
pub(crate) const LEAGUE: usize = 4;

/// The counterparty: an invented company.
pub(crate) const SUBJECT: &str = "91150100DEM000567Y";
/// Its name.
pub(crate) const SUBJECT_NAME: &str = "示例启明建设工程有限公司";
