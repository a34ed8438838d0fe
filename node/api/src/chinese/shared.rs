//! Words that stand in the holes of several crates' texts, units and kinds; and what could not be done with a file.

/// English and Chinese.
pub(super) const TEXTS: &[(&str, &str)] = &[
    // Units and kinds.
    ("disclosures", "个披露项"),
    ("recipients", "个接收方"),
    ("files", "个文件"),
    ("months", "个月"),
    // What could not be done with a file: the system's word follows.
    ("cannot create {}", "无法建立 {0}"),
    ("cannot create the folder {}", "无法建立目录 {0}"),
    ("cannot cut {}", "无法截短 {0}"),
    ("cannot empty {}", "无法清空 {0}"),
    ("cannot examine {}", "无法查看 {0}"),
    ("cannot list {}", "无法列出 {0}"),
    ("cannot lock {}", "无法锁定 {0}"),
    ("cannot open {}", "无法打开 {0}"),
    ("cannot read {}", "无法读取 {0}"),
    ("cannot remove the empty {}", "无法删除空目录 {0}"),
    ("cannot remove {}", "无法删除 {0}"),
    ("cannot rename {}", "无法改名 {0}"),
    ("cannot replace {}", "无法替换 {0}"),
    ("cannot start a thread for {}", "无法为 {0} 启动线程"),
    ("cannot sync the folder {}", "无法同步目录 {0}"),
    ("cannot sync {}", "无法同步 {0}"),
    ("cannot write {}", "无法写入 {0}"),
];
