import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { WebSocketChannels } from "./websocket-channels.ts";

it("output that comes while the client goes is dropped, and nothing else breaks", async () => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, "connection") as Promise<[WebSocket]>;
  const client = new WebSocket(`ws://127.0.0.1:${port}`, "v5.channel.k8s.io");
  const opened = once(client, "open");
  const [socket] = await accepted;
  await opened;
  const channels = new WebSocketChannels(socket, systemClock());
  const writer = channels.writer(1);
  socket.close();
  expect(socket.readyState).toBe(WebSocket.CLOSING);
  const closed = new Promise<void>((resolve) => writer.once("close", resolve));
  writer.write(Buffer.from("late"));
  await closed;
  expect(writer.destroyed).toBe(true);
  client.terminate();
  server.close();
});
