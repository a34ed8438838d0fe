//! Texts of `node/network`: addresses, connections and calls.

/// English and Chinese, by the source file that writes the text first.
pub(super) const TEXTS: &[(&str, &str)] = &[
    // address.rs
    ("it does not begin with /ip4, /ip6, /dns, /dns4 or /dns6", "不以 /ip4, /ip6, /dns, /dns4 或 /dns6 开头"),
    (
        "it ends in /p2p/…; the identity stands in the directory, leave it out",
        "以 /p2p/… 结尾; 身份已在目录中, 请去掉",
    ),
    (
        "after the host there is neither /udp/PORT/quic-v1 nor /tcp/PORT",
        "主机之后既没有 /udp/PORT/quic-v1 也没有 /tcp/PORT",
    ),
    ("something follows the port", "端口之后还有内容"),
    ("it is longer than 320 characters", "超过 320 个字符"),
    ("it is not a multiaddr", "不是 multiaddr 地址"),
    // answerer.rs
    ("the node could not finish the request", "该节点未能完成请求"),
    // asker.rs
    ("for a reason that this version does not know ({})", "原因为本版本所不识 ({0})"),
    // error.rs
    (
        "address: {}; write for example /ip4/10.0.0.5/udp/7400/quic-v1 or /dns4/node.example/tcp/7400",
        "address: {0:text}; 写法例如 /ip4/10.0.0.5/udp/7400/quic-v1 或 /dns4/node.example/tcp/7400",
    ),
    (
        "identity: it is not the peer id of an Ed25519 key; it begins with 12D3KooW",
        "identity: 不是 Ed25519 密钥的节点身份 (peer id); 应以 12D3KooW 开头",
    ),
    ("members: {}; correct the directory", "members: {0:text}; 请更正目录"),
    (
        "listen: {}: {}; choose another address or stop what uses it",
        "listen: {0}: {1:text}; 换一个地址, 或停止占用它的程序",
    ),
    ("transport: {}", "传输层: {0:text}"),
    (
        "member: {} cannot be reached: {}; give the address at which a member's node listens for other members",
        "member: 无法连到 {0}: {1:text}; 请给出某成员节点供其他成员连接的监听地址",
    ),
    (
        "join: {} cannot be reached: {}; check the address and that the coordinator's door is open",
        "join: 无法连到 {0}: {1:text}; 请核对地址, 并确认统筹节点的加入入口已开放",
    ),
    ("a task of the network panicked; start the network again", "网络任务异常终止; 请重新启动网络"),
    ("the peer is not in the directory", "对方节点不在目录中"),
    ("the peer cannot be reached ({}); next attempt in {} s", "无法连到对方节点 ({0:text}); {1} 秒后再试"),
    ("the peer did not answer in time", "对方节点没有及时应答"),
    (
        "{} has {} bytes, at most {} are sent at once; ask for less",
        "{0:text}有 {1} 字节, 一次最多发送 {2}; 请缩小范围",
    ),
    (
        "too many requests are in progress with the peer; try again shortly",
        "与对方节点同时处理的请求过多; 请稍后重试",
    ),
    (
        "the peer handled the request, but there was no room for its answer; ask again shortly",
        "对方节点已处理请求, 但没有空间存放其应答; 请稍后再问",
    ),
    ("the peer refused: {}", "对方节点拒绝: {0:text}"),
    ("the connection was lost before the answer came", "应答到达前连接中断"),
    ("the network of this node is shut down", "本节点的网络已关闭"),
    // event_loop.rs
    ("the peer closed the connection", "对方节点关闭了连接"),
    (
        "the peer closed the connection; perhaps it does not list this node",
        "对方节点关闭了连接; 可能其目录中没有本节点",
    ),
    ("no stream: {}", "无法建立通道: {0:text}"),
    (
        "at {} answers {}, which is not the identity in the directory",
        "在 {0} 应答的是 {1}, 与目录中的身份不符",
    ),
    ("{} is this node itself", "{0} 就是本节点"),
    // event_loop/gate.rs
    ("it is shut out for a time: {}", "暂不接受其连接: {0:text}"),
    // event_loop/reach.rs
    ("the directory lists no address for it", "目录中没有其地址"),
    ("no stream: the connection does not answer", "无法建立通道: 连接没有回应"),
    // frame.rs
    ("a frame states an impossible length of {}", "帧所写长度 {0} 不可能"),
    ("a frame of kind {} does not belong here", "此处不应出现类型为 {0} 的帧"),
    ("a frame states {} bytes, at most {} are accepted", "帧所写长度 {0} 字节, 最多接受 {1}"),
    ("a refusal cannot be read", "无法读懂拒绝的内容"),
    ("a frame has an id that it cannot have", "帧的编号不可能"),
    // What libp2p says of a stream that does not open.
    ("Timeout error while opening a substream", "打开数据流超时"),
    // join.rs
    ("no answer in time", "没有及时应答"),
    ("it is no join door of this version ({})", "不是本版本的加入入口 ({0:text})"),
    (
        "it is no member's node of this version, or its directory does not list this node's transport key ({})",
        "不是本版本的成员节点, 或其目录中没有本节点的传输密钥 ({0:text})",
    ),
    (
        "the connection was closed: its directory does not list this node's transport key, or it is full",
        "连接被关闭: 对方的目录中没有本节点的传输密钥, 或连接数已满",
    ),
    (
        "the connection was closed: the door is full or does not admit this node",
        "连接被关闭: 入口已满, 或不接纳本节点",
    ),
    // listening.rs
    ("the system did not confirm it", "系统没有确认"),
    // members.rs
    ("{} has more than {} addresses", "{0} 的地址超过 {1} 个"),
    ("there are more than {}", "成员超过 {0:number} 个"),
    ("{} and {} have the same identity {}", "{0} 与 {1} 的身份相同, 均为 {2}"),
    // stream.rs
    ("the peer closed the stream", "对方节点关闭了通道"),
    ("it sent malformed data: {}", "对方发来格式有误的数据: {0:text}"),
    ("nothing arrived for {} s", "{0} 秒内没有收到数据"),
    ("the peer did not read what was to be read within {} s", "对方节点没有在 {0} 秒内读取应读的数据"),
    ("the peer took more than {} s over one frame", "对方节点发送一帧超过 {0} 秒"),
    ("the connection broke: {}", "连接中断: {0:text}"),
    ("it was not used for {} s", "{0} 秒未使用"),
    ("this node is shutting down", "本节点正在关闭"),
];
