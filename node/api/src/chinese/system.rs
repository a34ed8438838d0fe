//! What the operating system says. It says it in English whatever the locale, with the number behind, which stays.

/// English and Chinese.
pub(super) const TEXTS: &[(&str, &str)] = &[
    ("No such file or directory (os error {})", "没有该文件或目录 (os error {0})"),
    ("Permission denied (os error {})", "没有权限 (os error {0})"),
    ("Operation not permitted (os error {})", "不允许此操作 (os error {0})"),
    ("File exists (os error {})", "文件已存在 (os error {0})"),
    ("Not a directory (os error {})", "不是目录 (os error {0})"),
    ("Is a directory (os error {})", "是目录 (os error {0})"),
    ("Directory not empty (os error {})", "目录不是空的 (os error {0})"),
    ("No space left on device (os error {})", "磁盘空间已满 (os error {0})"),
    ("Disk quota exceeded (os error {})", "超出磁盘配额 (os error {0})"),
    ("File too large (os error {})", "文件过大 (os error {0})"),
    ("Read-only file system (os error {})", "文件系统只读 (os error {0})"),
    ("Input/output error (os error {})", "输入输出错误 (os error {0})"),
    ("Too many open files (os error {})", "打开的文件过多 (os error {0})"),
    ("Cannot allocate memory (os error {})", "内存不足 (os error {0})"),
    ("Resource temporarily unavailable (os error {})", "资源暂不可用 (os error {0})"),
    ("Address already in use (os error {})", "地址已被占用 (os error {0})"),
    ("Cannot assign requested address (os error {})", "本机没有该地址 (os error {0})"),
    ("Connection refused (os error {})", "连接被拒绝 (os error {0})"),
    ("Connection reset by peer (os error {})", "连接被对方重置 (os error {0})"),
    ("Connection timed out (os error {})", "连接超时 (os error {0})"),
    ("Network is unreachable (os error {})", "网络不可达 (os error {0})"),
    ("No route to host (os error {})", "没有通往主机的路由 (os error {0})"),
    ("Broken pipe (os error {})", "管道已断开 (os error {0})"),
    ("File name too long (os error {})", "文件名过长 (os error {0})"),
    ("Invalid argument (os error {})", "参数无效 (os error {0})"),
    // What the standard library says by itself, without a number.
    ("is a directory", "是目录"),
    ("failed to fill whole buffer", "内容不完整, 提前结束"),
];
