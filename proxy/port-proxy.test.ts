import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { logger } from "@raft2kube/observe/log.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test } from "vitest";
import { waitFor } from "../testing/wait.ts";
import { LOOKUP_MS } from "./limits.ts";
import { readPortProxyArguments, startPortProxy } from "./port-proxy.ts";

const HOST = "127.0.0.1";
const BACKENDS = ["127.0.0.2", "127.0.0.3"] as const;
const clock = systemClock();
const log = logger("test");

test("the arguments are those of upstream's proxy-to-service", () => {
  expect(readPortProxyArguments(["udp", "53", "kube-dns.default", "1"])).toEqual({
    transport: "udp",
    port: 53,
    service: "kube-dns.default",
    idle_ms: 1_000,
  });
  expect(readPortProxyArguments(["tcp", "80", "10.96.0.7"])).toEqual({
    transport: "tcp",
    port: 80,
    service: "10.96.0.7",
    idle_ms: undefined,
  });
});

test.each([
  [[], "no argument: the protocol is tcp or udp"],
  [["sctp", "53", "dns"], "sctp: the protocol is tcp or udp"],
  [["udp"], "no second argument: not a port"],
  [["udp", "0", "dns"], "0: not a port"],
  [["udp", "65536", "dns"], "65536: not a port"],
  [["udp", "5e1", "dns"], "5e1: not a port"],
  [["udp", "53"], "no third argument: not a Service's name"],
  [["udp", "53", "-v"], "-v: not a Service's name"],
  [["udp", "53", "a b"], "a b: not a Service's name"],
  [["udp", "53", "dns", "0"], "0: not a timeout of 1 to 86400 seconds"],
  [["udp", "53", "dns", "1", "2"], "2: there is no fifth argument"],
])("%j is refused: %s", (args, message) => {
  expect(() => readPortProxyArguments(args)).toThrow(message);
});

/** Serves its own address to every connection of TCP, on one port of both backends. */
async function tcpBackends(): Promise<number> {
  let port = 0;
  for (const host of BACKENDS) {
    const server: Server = createServer((socket) => socket.write(host)).listen(port, host);
    await once(server, "listening");
    ({ port } = server.address() as AddressInfo);
    onTestFinished(() => void server.close());
  }
  return port;
}

/** Returns the greeting of a connection, or "closed" for one that ends without. */
function answer(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: HOST });
    socket.on("error", () => undefined);
    socket.once("close", () => resolve("closed"));
    socket.once("data", (data) => {
      resolve(data.toString());
      socket.destroy();
    });
  });
}

test("TCP goes to where the Service's name leads now", async () => {
  const port = await tcpBackends();
  const looked = new ManualClock();
  let addresses: readonly string[] | Error = new Error("ENOTFOUND");
  const spec = { transport: "tcp", port, service: "web", idle_ms: undefined } as const;
  const proxy = await startPortProxy(spec, {
    clock: looked,
    log,
    host: HOST,
    async lookup(name) {
      expect(name).toBe("web");
      if (addresses instanceof Error) throw addresses;
      return addresses;
    },
  });
  onTestFinished(proxy.close);
  expect(await answer(port)).toBe("closed");
  for (const backend of BACKENDS) {
    addresses = [backend];
    await looked.advance(LOOKUP_MS);
    await waitFor("the backend", async () => (await answer(port)) === backend);
  }
  addresses = new Error("EAI_AGAIN");
  await looked.advance(LOOKUP_MS);
  expect(await answer(port)).toBe(BACKENDS[1]);
});

test("a connection without traffic ends after the timeout", async () => {
  const port = await tcpBackends();
  const proxy = await startPortProxy(
    { transport: "tcp", port, service: BACKENDS[0], idle_ms: 50 },
    { clock, log, host: HOST, lookup: () => Promise.reject(new Error("an address is no name")) },
  );
  onTestFinished(proxy.close);
  const socket = connect({ port, host: HOST });
  expect(String((await once(socket, "data"))[0])).toBe(BACKENDS[0]);
  await once(socket, "close");
});

test("a UDP client gets its answers, from another number after its timeout", async () => {
  const timers = new ManualClock();
  const backend = createSocket("udp4").bind(0, BACKENDS[0]);
  await once(backend, "listening");
  const clients: number[] = [];
  backend.on("message", (message: Buffer, { address, port }: RemoteInfo) => {
    clients.push(port);
    backend.send(`re: ${message.toString()}`, port, address);
  });
  const { port } = backend.address();
  const proxy = await startPortProxy(
    { transport: "udp", port, service: BACKENDS[0], idle_ms: 1_000 },
    { clock: timers, log, host: HOST, lookup: () => Promise.resolve([]) },
  );
  const client = createSocket("udp4");
  onTestFinished(async () => {
    for (const socket of [backend, client]) socket.close();
    await proxy.close();
  });
  expect(await asked(client, port)).toBe("re: question");
  expect(await asked(client, port)).toBe("re: question");
  expect(new Set(clients).size).toBe(1);
  await timers.advance(2_001);
  expect(await asked(client, port)).toBe("re: question");
  expect(new Set(clients).size).toBe(2);
});

async function asked(client: UdpSocket, port: number): Promise<string> {
  const answered = once(client, "message");
  client.send("question", port, HOST);
  const [message] = (await answered) as [Buffer];
  return message.toString();
}
