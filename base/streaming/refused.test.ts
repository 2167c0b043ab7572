import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { refuseUpgrade } from "./upgrade.ts";

it("a connection whose upgrade was refused ends, if the client closes it or not", async () => {
  const server = createServer();
  server.on("upgrade", (_request, socket) => {
    socket.on("error", () => socket.destroy());
    refuseUpgrade(socket, 403, "no");
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const open = Array.from({ length: 4 }, () => connect({ port, allowHalfOpen: true }));
  for (const [i, socket] of open.entries()) {
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    expect(String(await once(socket, "data"))).toMatch(/^HTTP\/1\.1 403 /);
    if (i % 2 === 0) socket.end("x");
    else socket.write("x");
  }
  const connections = () =>
    new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
  const none = async () => ((await connections()) === 0 ? true : undefined);
  await waitFor("no connection", none);
  for (const socket of open) socket.destroy();
  server.close();
});
