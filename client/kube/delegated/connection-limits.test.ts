import { once } from "node:events";
import { connect, createServer, type Server, Socket } from "node:net";
import { HANDSHAKES_UNDER_WAY_MAX } from "@raft2kube/std/limits.ts";
import { expect, test } from "vitest";
import { listening } from "../../../testing/listening.ts";
import { waitFor } from "../../../testing/wait.ts";
import { limitConnections } from "./connection-limits.ts";

const from = (remotePort: number, authorized = false, CN = "user") => {
  const getPeerCertificate = () => ({ subject: { CN } });
  const places = { remoteAddress: "192.0.2.1", remotePort, authorized, getPeerCertificate };
  return Object.defineProperties(
    new Socket(),
    Object.fromEntries(Object.entries(places).map(([name, value]) => [name, { value }])),
  );
};

const arriveAt = (server: Server, port: number): Socket => {
  const socket = from(port);
  server.emit("connection", socket);
  return socket;
};

test("a connection keeps its place after a handshake that showed no certificate", () => {
  const server = createServer();
  limitConnections(server, { ofAddress: 1, all: 1 });
  expect(arriveAt(server, 1).destroyed).toBe(false);
  server.emit("secureConnection", from(1));
  expect(arriveAt(server, 2).destroyed).toBe(true);
  server.emit("secureConnection", from(1, true));
  expect(arriveAt(server, 3).destroyed).toBe(false);
});

test("connections with certificates are bounded by user and in all", () => {
  const server = createServer();
  limitConnections(server, { ofAddress: 9, all: 9 }, { ofAddress: 3, all: 4 });
  let port = 0;
  const arrive = (user: string) => {
    const socket = from(++port, true, user);
    server.emit("secureConnection", socket);
    return socket;
  };
  const ofNode = Array.from({ length: 4 }, () => arrive("node"));
  expect(ofNode.map(({ destroyed }) => destroyed)).toEqual([false, false, false, true]);
  const ofServer = [arrive("apiserver"), arrive("apiserver"), arrive("apiserver")];
  // It takes the place of the oldest of the user that has most, until both have as many.
  expect(ofServer.map(({ destroyed }) => destroyed)).toEqual([false, false, true]);
  expect(ofNode[0]!.destroyed).toBe(true);
  ofServer[0]!.emit("close");
  expect(arrive("apiserver").destroyed).toBe(false);
});

test("connections without TLS wait for no handshakes", () => {
  let handed = 0;
  const server = createServer(() => handed++);
  limitConnections(server, { ofAddress: 100, all: 100 });
  for (let port = 1; port <= 2 * HANDSHAKES_UNDER_WAY_MAX; port++) arriveAt(server, port);
  expect(handed).toBe(2 * HANDSHAKES_UNDER_WAY_MAX);
});

test("a port that is used again before its last connection is closed costs no place", async () => {
  const server = createServer();
  limitConnections(server, { ofAddress: 3, all: 3 });
  for (let i = 0; i < 5; i++) {
    const both = [arriveAt(server, 4_000), arriveAt(server, 4_000)];
    expect(both.map(({ destroyed }) => destroyed)).toEqual([false, false]);
    const closed = both.map((socket) => once(socket, "close"));
    for (const socket of both) socket.destroy();
    await Promise.all(closed);
  }
});

test("connections without a certificate are bounded by address and in all", async () => {
  const server = createServer();
  limitConnections(server, { ofAddress: 3, all: 5 });
  const served: Socket[] = [];
  server.on("connection", (socket) => served.push(socket));
  const port = await listening(server);
  const sockets: Socket[] = [];
  const open = () => sockets.filter(({ closed }) => !closed).length;
  /** Connects and waits until it is known how many of the connections stay. */
  const dial = async (localAddress: string, times: number, stay: number) => {
    for (let i = 0; i < times; i++) {
      const socket = connect({ host: "127.0.0.1", port, localAddress });
      socket.on("error", () => socket.destroy());
      socket.resume();
      sockets.push(socket);
      await once(socket, "connect");
    }
    await waitFor(`${stay} connections`, () => open() === stay);
  };
  try {
    await dial("127.0.0.1", 6, 3);
    await dial("127.0.0.2", 6, 5);
    await dial("127.0.0.3", 2, 5);
    // The first took the place of the oldest of the address that had most.
    expect(sockets.map(({ closed }) => closed).indexOf(true)).toBe(0);
    expect(sockets.at(-2)!.closed).toBe(false);
    const first = served.find(({ destroyed }) => !destroyed);
    first!.destroy();
    await once(first!, "close");
    await waitFor("its client to know", () => open() === 4);
    await dial("127.0.0.4", 2, 5);
    expect(sockets.at(-2)!.closed).toBe(false);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
