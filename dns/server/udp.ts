import { createSocket, type RemoteInfo } from "node:dgram";
import { isIPv6 } from "node:net";
import { bindUdp } from "@raft2kube/linux/socket/socket.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Rotation } from "@raft2kube/std/rotation.ts";
import { QUERY_TURNS, RECEIVE_BUFFER_BYTES, UDP_BYTES_MAX } from "../limits.ts";
import type { Resolve } from "../resolver.ts";
import {
  datagramLimit,
  RCODE,
  readQuery,
  replyOf,
  writeError,
  writeReply,
} from "../wire/message.ts";

export interface Listener {
  port: number;
  close(): Promise<void>;
}

type Datagram = { readonly bytes: Buffer; readonly from: RemoteInfo };

/** Serves DNS over UDP, clients in rotation. Rejects if the address cannot be bound. */
export async function listenUdp(
  at: { address: string; port: number },
  resolve: Resolve,
  log: Logger,
): Promise<Listener> {
  const fd = bindUdp(at.address, at.port);
  const type = isIPv6(at.address) ? "udp6" : "udp4";
  const socket = createSocket({ type, recvBufferSize: RECEIVE_BUFFER_BYTES });
  let isClosed = false;
  const send = (bytes: Buffer, to: { port: number; address: string }) => {
    if (isClosed) return; // what was forwarded may be answered later
    socket.send(bytes, to.port, to.address, (error) => {
      if (error) log.debug("an answer could not be sent", { to: to.address, error: error.message });
    });
  };
  const answer = ({ bytes, from }: Datagram) => {
    const query = readQuery(bytes);
    if (query === undefined) return;
    if (typeof query === "number") return send(writeError(bytes, query), from);
    const limit = datagramLimit(query);
    resolve(query, limit, from.address).then(
      (answer) => send(answer, from),
      (thrown: unknown) => {
        log.error("a query failed", { name: query.question.name, error: messageOf(thrown) });
        send(writeReply(query, replyOf(RCODE.SERVFAIL), limit), from);
      },
    );
  };
  const turns = new Rotation(QUERY_TURNS, systemClock());
  socket.on("message", (bytes, from) => {
    if (bytes.length > UDP_BYTES_MAX) return; // queries are small, and thousands may wait
    turns.enter(from.address, () => {
      if (!isClosed) answer({ bytes, from });
    });
  });
  return await new Promise((done, reject) => {
    socket.once("error", reject);
    socket.bind({ fd }, () => {
      socket.removeListener("error", reject);
      socket.on("error", (error) => log.error("the socket failed", { error: error.message }));
      const close = () => {
        isClosed = true;
        return new Promise<void>((closed) => socket.close(() => closed()));
      };
      done({ port: socket.address().port, close });
    });
  });
}
