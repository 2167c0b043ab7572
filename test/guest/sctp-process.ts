import { check, libc } from "@raft2kube/linux/libc.ts";

// `serve PORT` answers connections of SCTP with `sctp`; `ask ADDRESS PORT` prints the answer. All
// calls block: it is a process of its own.

const AF_INET = 2;
const SOCK_STREAM = 1;
const IPPROTO_SCTP = 132;
const ANSWER = Buffer.from("sctp");

function addressOf(ip: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  Buffer.from(ip.split(".").map(Number)).copy(bytes, 4);
  return bytes;
}

const [verb, ...args] = process.argv.slice(2);
const fd = check("socket", libc.socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), "of SCTP");
if (verb === "serve") {
  const address = addressOf("0.0.0.0", Number(args[0]));
  check("bind", libc.bind(fd, address, address.length), "of SCTP");
  check("listen", libc.listen(fd, 16), "of SCTP");
  process.stdout.write("listening\n");
  for (;;) {
    const client = check("accept4", libc.accept4(fd, null, null, 0), "of SCTP");
    libc.send(client, ANSWER, ANSWER.length, 0);
  }
} else {
  const address = addressOf(args[0] ?? "", Number(args[1]));
  check("connect", libc.connect(fd, address, address.length), "of SCTP");
  const answer = Buffer.alloc(64);
  const size = check("recv", Number(libc.recv(fd, answer, answer.length, 0)), "of SCTP");
  process.stdout.write(`${answer.toString("utf8", 0, size)}\n`);
}
