import { closeSync, write } from "node:fs";
import { promisify } from "node:util";
import { withoutEnd } from "@raft2kube/std/text.ts";
import { check, errnoName, libc } from "../syscall/libc.ts";
import { AF_NETLINK, SOL_SOCKET } from "../syscall/numbers.ts";
import { parseAttributes } from "./attributes.ts";
import { decodeBody, messagesOf, NetlinkError, type NetlinkMessage } from "./messages.ts";

/** Netlink protocols (linux/netlink.h). */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;

/** Message flags beside REQUEST and ACK, which `request` sets itself. */
export const NLM_F = { REPLACE: 0x100, EXCL: 0x200, CREATE: 0x400, APPEND: 0x800 } as const;

const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SO_RCVTIMEO = 20;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

const NLM_F_REQUEST = 1;
const NLM_F_MULTI = 2;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_ACK_TLVS = 0x200;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSGERR_ATTR_MSG = 1;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFGENMSG_BYTES = 4;
const HEADER_BYTES = 16;
const RECEIVE_BYTES = 64 << 10;
/** Listings of something that changes during each. */
const DUMPS_MAX = 8;
const RECEIVE_TIMEOUT_S = 10;

/**
 * A netlink socket whose calls are synchronous: the kernel answers rtnetlink and nfnetlink requests
 * before `send` returns, so nothing is waited for. It stays in the network namespace in which it
 * was opened. `using` closes it.
 */
export class NetlinkSocket implements Disposable {
  readonly #fd: number;
  readonly #received = Buffer.allocUnsafe(RECEIVE_BYTES);
  #sequence = 0;
  /** Whether something changed while the kernel listed it for the last dump. */
  #interrupted = false;

  constructor(protocol: number) {
    const fd = libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
    this.#fd = check("socket", fd, `of netlink protocol ${protocol}`);
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(BigInt(RECEIVE_TIMEOUT_S));
    this.#option(SOL_SOCKET, SO_RCVTIMEO, timeout);
    const on = Buffer.from([1, 0, 0, 0]);
    for (const name of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
      this.#option(SOL_NETLINK, name, on);
    }
  }

  #option(level: number, name: number, value: Buffer): void {
    const result = libc.setsockopt(this.#fd, level, name, value, value.length);
    check("setsockopt", result, `${level}/${name} on a netlink socket`);
  }

  /**
   * Sends one request and returns the messages before its acknowledgement. `doing` names it in
   * errors.
   */
  request(type: number, flags: number, body: Buffer, doing: string): NetlinkMessage[] {
    this.#send(type, NLM_F_REQUEST | NLM_F_ACK | flags, body);
    return [...this.#receive(doing)].flat();
  }

  /** The same in a thread of Node's pool: some requests keep the kernel for tens of milliseconds. */
  async requestAside(type: number, body: Buffer, doing: string): Promise<void> {
    this.#sequence++;
    await promisify(write)(this.#fd, this.#message(type, NLM_F_REQUEST | NLM_F_ACK, body));
    for (const _ of this.#receive(doing));
  }

  /** Everything of a kind, decoded. Asked again when it changed while the kernel listed it. */
  dump<T>(type: number, body: Buffer, doing: string, decode: (body: Buffer) => T[]): T[] {
    const parts: T[][] = [];
    for (const part of this.dumpInParts(type, body, doing, decode)) {
      if (part === "again") parts.length = 0;
      else parts.push(part);
    }
    return parts.flat();
  }

  /**
   * Yields everything of a kind, decoded, as much in a step as the kernel gives in one; "again"
   * when it changed while the kernel listed it, and is listed from the start. Until the last step
   * there must be no other request on this socket.
   */
  *dumpInParts<T>(
    type: number,
    body: Buffer,
    doing: string,
    decode: (body: Buffer) => T[],
  ): Generator<T[] | "again"> {
    for (let attempt = 0; attempt < DUMPS_MAX; attempt++) {
      this.#send(type, NLM_F_REQUEST | NLM_F_DUMP, body);
      this.#interrupted = false;
      for (const messages of this.#receive(doing)) {
        yield messages.flatMap((message) => decodeBody(message.body, doing, decode));
      }
      if (!this.#interrupted) return;
      yield "again";
    }
    throw new NetlinkError("EINTR", `${doing}: it changed during each of ${DUMPS_MAX} listings`);
  }

  /**
   * Sends a request between the messages that start and end a transaction, all of nfnetlink, and
   * returns after its acknowledgement.
   */
  transact(begin: Buffer, [type, body]: [type: number, body: Buffer], doing: string): void {
    this.#sequence++;
    this.#write(
      this.#message(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, begin),
      this.#message(type, NLM_F_REQUEST | NLM_F_ACK, body),
      this.#message(NFNL_MSG_BATCH_END, NLM_F_REQUEST, begin.subarray(0, NFGENMSG_BYTES)),
    );
    for (const _ of this.#receive(doing));
  }

  #send(type: number, flags: number, body: Buffer): void {
    this.#sequence++;
    this.#write(this.#message(type, flags, body));
  }

  #message(type: number, flags: number, body: Buffer): Buffer {
    const message = Buffer.alloc((HEADER_BYTES + body.length + 3) & ~3);
    message.writeUInt32LE(HEADER_BYTES + body.length, 0);
    message.writeUInt16LE(type, 4);
    message.writeUInt16LE(flags, 6);
    message.writeUInt32LE(this.#sequence, 8);
    body.copy(message, HEADER_BYTES);
    return message;
  }

  #write(...messages: Buffer[]): void {
    const bytes = Buffer.concat(messages);
    check("send", Number(libc.send(this.#fd, bytes, bytes.length, 0)), "on a netlink socket");
  }

  /** Yields the messages of an answer, in each step those of one datagram. */
  *#receive(doing: string): Generator<NetlinkMessage[]> {
    for (;;) {
      const messages: NetlinkMessage[] = [];
      const received = libc.recv(this.#fd, this.#received, RECEIVE_BYTES, 0);
      const size = check("recv", Number(received), `the kernel's answer to: ${doing}`);
      for (const message of messagesOf(this.#received.subarray(0, size), doing)) {
        const { type, flags, sequence, body } = message;
        // The remaining messages of a failed request are not part of this answer.
        if (sequence !== this.#sequence) continue;
        if (flags & NLM_F_DUMP_INTR) this.#interrupted = true;
        if (type === NLMSG_ERROR || (type === NLMSG_DONE && flags & NLM_F_MULTI)) {
          throwIfError(body, type, flags, doing);
          yield messages;
          return;
        }
        messages.push(message);
      }
      yield messages;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function throwIfError(body: Buffer, type: number, flags: number, doing: string): void {
  const errno = body.length >= 4 ? -body.readInt32LE(0) : 0;
  if (errno <= 0) return;
  // With NETLINK_CAP_ACK the request's header alone stands between the number and the attributes.
  const at = type === NLMSG_ERROR ? 4 + HEADER_BYTES : 4;
  const text = (flags & NLM_F_ACK_TLVS) !== 0 && parseAttributes(body, at).get(NLMSGERR_ATTR_MSG);
  const why = text ? ` (${withoutEnd(text.toString("utf8"), "\0")})` : "";
  const code = errnoName(errno);
  throw new NetlinkError(code, `${doing}: ${code}${why}`);
}
