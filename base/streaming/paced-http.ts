import type { Server, Socket } from "node:net";
import { type TLSSocket, Server as TlsServer } from "node:tls";
import { systemClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { clientOf } from "@raft2kube/std/ip.ts";
import { PacedSocket } from "./paced-socket.ts";

/** The turns that the HTTP/1.1 connections of this process's servers share. */
const turns = new InputTurns(systemClock());

/**
 * Makes the HTTP/1.1 connections of a new server take turns of the event loop, in rotation over
 * their owners: Node reads 2 MB of each in one turn, which in chunks of one byte take a second to
 * parse, before it is known who sent them.
 */
export function paceHttp1(server: Server, ownerOf: (socket: Socket) => string = addressOf): void {
  const event = server instanceof TlsServer ? "secureConnection" : "connection";
  const [serve] = server.listeners(event) as [(socket: Socket | PacedSocket) => void];
  server.off(event, serve);
  server.prependListener(event, (socket: Socket) => {
    const isHttp2 = (socket as TLSSocket).alpnProtocol === "h2";
    serve.call(server, isHttp2 ? socket : new PacedSocket(socket, turns, ownerOf(socket)));
  });
}

const addressOf = ({ remoteAddress = "" }: Socket): string => clientOf(remoteAddress);
