import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Resolve } from "../resolver.ts";
import { datagramLimit, RCODE, readQuery, replyOf, writeError, writeReply } from
  "../wire/message.ts";

export interface Listener {
  port: number;
  close(): Promise<void>;
}

/** Serves DNS over UDP. Rejects if the address cannot be bound. */
export function listenUdp(
  at: { address: string; port: number },
  resolve: Resolve,
  log: Logger,
): Promise<Listener> {
  const socket = createSocket(isIPv6(at.address) ? "udp6" : "udp4");
  const send = (bytes: Buffer, to: { port: number; address: string }) => {
    socket.send(bytes, to.port, to.address, (error) => {
      if (error) log.debug("an answer could not be sent", { to: to.address, error: error.message });
    });
  };
  socket.on("message", (bytes, from) => {
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
  });
  return new Promise((done, reject) => {
    socket.once("error", reject);
    socket.bind(at.port, at.address, () => {
      socket.removeListener("error", reject);
      socket.on("error", (error) => log.error("the socket failed", { error: error.message }));
      const close = () => new Promise<void>((closed) => socket.close(() => closed()));
      done({ port: socket.address().port, close });
    });
  });
}
