import { once } from "node:events";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { expect, test } from "vitest";
import { limitConnections } from "./connection-limits.ts";

const clock = systemClock();

test("a port that is used again before its last connection is closed costs no place", async () => {
  const server = createServer();
  limitConnections(server, { ofAddress: 3, all: 3 });
  const arrive = () => {
    const socket = new Socket();
    Object.defineProperty(socket, "remoteAddress", { value: "192.0.2.1" });
    Object.defineProperty(socket, "remotePort", { value: 4_000 });
    server.emit("connection", socket);
    return socket;
  };
  for (let i = 0; i < 5; i++) {
    const both = [arrive(), arrive()];
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
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
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
    await waitFor(`${stay} connections`, () => open() === stay, { clock });
  };
  try {
    await dial("127.0.0.1", 6, 3);
    await dial("127.0.0.2", 6, 5);
    await dial("127.0.0.3", 2, 5);
    const [first] = served;
    first!.destroy();
    await once(first!, "close");
    await waitFor("its client to know", () => open() === 4, { clock });
    await dial("127.0.0.3", 2, 5);
    expect(sockets.at(-2)!.closed).toBe(false);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
