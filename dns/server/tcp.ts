import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Logger } from "@raft2kube/observe/log.ts";
import { AddressPlaces } from "@raft2kube/std/address-places.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Rotation } from "@raft2kube/std/rotation.ts";
import {
  QUERY_TURNS,
  TCP_BYTES_MAX,
  TCP_CONNECTIONS_MAX,
  TCP_CONNECTIONS_PER_CLIENT_MAX,
  TCP_IDLE_MS,
  TCP_PIPELINE_MAX,
} from "../limits.ts";
import type { Resolve } from "../resolver.ts";
import { RCODE, readQuery, replyOf, writeError, writeReply } from "../wire/message.ts";
import type { Listener } from "./udp.ts";

/**
 * Serves DNS over TCP (RFC 7766): length-prefixed messages, answered in any order. A client that
 * neither completes a query nor reads its answers for `idle_ms` loses its connection.
 */
export function listenTcp(
  at: { address: string; port: number },
  resolve: Resolve,
  log: Logger,
  idle_ms = TCP_IDLE_MS,
): Promise<Listener> {
  const open = new Set<Socket>();
  const turns = new Rotation(QUERY_TURNS, systemClock());
  const places = new AddressPlaces({
    ofAddress: TCP_CONNECTIONS_PER_CLIENT_MAX,
    all: TCP_CONNECTIONS_MAX,
  });
  const server = createServer((socket) => {
    // A client may reset its connection at any time.
    socket.on("error", (error) => log.debug("a connection failed", { error: error.message }));
    const leave = places.take(socket);
    if (!leave) return;
    open.add(socket);
    socket.on("close", () => {
      leave();
      open.delete(socket);
    });
    serve(socket, { resolve, turns, log, idle_ms });
  });
  return new Promise((done, reject) => {
    server.once("error", reject);
    server.listen(at.port, at.address, () => {
      server.removeListener("error", reject);
      server.on("error", (error) => log.error("the server failed", { error: error.message }));
      done({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((closed) => {
            for (const socket of open) socket.destroy();
            server.close(() => closed());
          }),
      });
    });
  });
}

interface Serving {
  readonly resolve: Resolve;
  readonly turns: Rotation;
  readonly log: Logger;
  readonly idle_ms: number;
}

function serve(socket: Socket, { resolve, turns, log, idle_ms }: Serving): void {
  const { remoteAddress: client = "" } = socket;
  let received = Buffer.alloc(0);
  /** Whether a query that was received waits for its turn. */
  let isDue = false;
  let answering = 0;
  // Single bytes do not restart it: they would keep the connection open without end.
  const idle = setTimeout(() => socket.destroy(), idle_ms).unref();
  socket.on("close", () => clearTimeout(idle));
  const write = (message: Buffer) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    if (socket.writable) socket.write(Buffer.concat([length, message]));
  };
  const answer = async (bytes: Buffer) => {
    const query = readQuery(bytes);
    if (query === undefined) return socket.destroy();
    if (typeof query === "number") return write(writeError(bytes, query));
    try {
      write(await resolve(query, TCP_BYTES_MAX, client));
    } catch (thrown) {
      log.error("a query failed", { name: query.question.name, error: messageOf(thrown) });
      write(writeReply(query, replyOf(RCODE.SERVFAIL), TCP_BYTES_MAX));
    }
  };
  // Backpressure: more queries are read when earlier ones are answered, and their answers read.
  const isFull = () => answering >= TCP_PIPELINE_MAX || socket.writableNeedDrain;
  const readNext = () => {
    const length = received.length < 2 ? Infinity : received.readUInt16BE(0);
    if (!isDue && !isFull() && received.length >= 2 + length) {
      isDue = true;
      // One of a connection: a thousand that came together, each of 20 ms, are no turn.
      turns.enter(client, () => {
        isDue = false;
        if (socket.destroyed) return;
        const bytes = Buffer.from(received.subarray(2, 2 + length));
        received = received.subarray(2 + length);
        answering++;
        idle.refresh();
        void answer(bytes).finally(() => {
          answering--;
          readNext();
        });
        readNext();
      });
    }
    if (isDue || isFull()) socket.pause();
    else socket.resume();
  };
  socket.on("data", (part) => {
    received = Buffer.concat([received, part]);
    readNext();
  });
  socket.on("drain", readNext);
}
