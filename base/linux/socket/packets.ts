import { closeSync, readSync } from "node:fs";
import type { Socket } from "node:net";
import { Readable, type Writable } from "node:stream";
import { asError, isErrno } from "@raft2kube/std/errors.ts";
import { adoptDuplicate } from "./socket.ts";

/** The largest packet that is read whole; Node's own reads are as large. */
const PACKET_BYTES = 65_536;
/** Packets read ahead of a slow reader. */
const PACKETS_AHEAD = 16;

/** A connection that keeps packets apart. */
export interface PacketConnection {
  /** Each chunk is one packet. Ends when the other side has, even if writing fails. */
  readonly incoming: Readable;
  /** One write is one packet. Fails when the other side has gone. */
  readonly outgoing: Writable;
}

/**
 * A connection over a connected SOCK_SEQPACKET descriptor, which must not block and is consumed.
 *
 * A peer that closes with packets of ours unread resets the connection, and a stream of Node's that
 * fails to read or write drops what it has not read; but the peer's last packets are still there
 * (unix(7)). So reading and writing have a descriptor each, and what a reset left is read by hand.
 */
export function packetConnection(fd: number): PacketConnection {
  const [reader, outgoing] = bothWays(fd);
  // Writes that wait for each other would be one packet, of which a peer reads the beginning.
  Object.assign(outgoing, { _writev: undefined });
  const incoming = new Readable({
    objectMode: true,
    highWaterMark: PACKETS_AHEAD,
    read: () => void reader.resume(),
    destroy(error, done) {
      reader.destroy();
      outgoing.destroy();
      done(error);
    },
  });
  incoming.on("error", () => incoming.destroy());
  outgoing.on("error", () => outgoing.destroy());
  reader.on("data", (packet: Buffer) => {
    if (!incoming.push(packet)) reader.pause();
  });
  reader.on("error", () => reader.destroy());
  reader.once("end", () => reader.destroy());
  reader.once("close", () => {
    try {
      if (incoming.destroyed) return;
      for (const packet of leftIn(fd)) incoming.push(packet);
      incoming.push(null);
    } catch (thrown) {
      incoming.destroy(asError(thrown));
    } finally {
      closeSync(fd);
    }
  });
  return { incoming, outgoing };
}

/** A socket each to read from a descriptor and to write to it, which is closed without them. */
function bothWays(fd: number): [Socket, Socket] {
  let reader: Socket | undefined;
  try {
    reader = adoptDuplicate(fd, { readable: true });
    return [reader, adoptDuplicate(fd, { readable: false })];
  } catch (thrown) {
    reader?.destroy();
    closeSync(fd);
    throw thrown;
  }
}

/** The packets that lie in a socket's buffer, which bounds them. */
function* leftIn(fd: number): Iterable<Buffer> {
  const buffer = Buffer.alloc(PACKET_BYTES);
  for (;;) {
    let bytes: number;
    try {
      bytes = readSync(fd, buffer);
    } catch (thrown) {
      if (isErrno(thrown, "EAGAIN")) return;
      // The reset is reported once; the packets come after it.
      if (!isErrno(thrown, "ECONNRESET")) throw thrown;
      continue;
    }
    if (bytes === 0) return;
    yield Buffer.from(buffer.subarray(0, bytes));
  }
}
