// Reloads, each of which leaves a former process: what all of them may take of the memory.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type ClientRequest, createServer, get } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import {
  BACKENDS_OF_NAMESPACE_MAX,
  BUFFERS_MAX,
  CONNECTIONS_MAX,
  ENDPOINTS_MAX,
  FORMER_MS_MIN,
  FORMER_RELOADS_MAX,
  HEAD_BYTES_MAX,
  HOSTS_OF_NAMESPACE_MAX,
  PATH_CHARS_OF_NAMESPACE_MAX,
  PATHS_OF_NAMESPACE_MAX,
  RELOAD_PAUSE_MS,
  SERVERS_OF_NAMESPACE_MAX,
} from "../limits.ts";
import { serversOf } from "../plan/bounds.ts";
import type { Backend, PathRule, Site } from "../plan/model.ts";
import { fallbackPair } from "../testing/objects.ts";
import { backendOf, type EchoServer, echoServer, OwnDataPlane } from "../testing/own-data-plane.ts";
import { command } from "./data-plane.ts";
import { ReloadPace } from "./reload-pace.ts";

/** Bytes of a connection beside its buffers: a TLS handshake that stops within a record. */
const CONNECTION_BYTES_MAX = 72 << 10;

let plane: OwnDataPlane;
let servers: EchoServer[];

beforeAll(async () => {
  plane = await OwnDataPlane.start();
  servers = await Promise.all(["a", "b"].map(echoServer));
});
afterAll(async () => {
  await plane.close();
  for (const { server } of servers) server.close();
});

const prefix = (path: string, backend: string): PathRule => ({
  kind: "prefix",
  path,
  conditions: [],
  backend,
});

async function resident_bytes(): Promise<number> {
  const status = readFileSync(`/proc/${await plane.worker()}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]) * 1_024;
}

/** Bytes of a process with the largest configuration of a namespace. */
async function configured_bytes(): Promise<number> {
  const length = Math.floor(PATH_CHARS_OF_NAMESPACE_MAX / PATHS_OF_NAMESPACE_MAX) - 20;
  const paths = Array.from({ length: PATHS_OF_NAMESPACE_MAX }, (_, at) =>
    prefix(`/${"x".repeat(length)}${at}`, "many0"),
  );
  const hosts = Array.from({ length: HOSTS_OF_NAMESPACE_MAX }, (_, at): Site => {
    return { host: `h${at}.evil.test`, paths: [] };
  });
  const endpoints = Array.from({ length: ENDPOINTS_MAX }, (_, at) => ({
    address: `10.0.${at >> 8}.${at & 255}`,
    port: 80,
  }));
  const sites = [{ host: "a.test", paths }, ...hosts];
  const sizeWith = async (count: number, of: Partial<Backend>, each: typeof endpoints) => {
    const all = Array.from({ length: count }, (_, at) => backendOf(`many${at}`, each, of));
    await plane.apply(sites, all);
    return resident_bytes();
  };
  const namespace = { namespace: "evil" };
  const few = endpoints.slice(0, Math.floor(SERVERS_OF_NAMESPACE_MAX / BACKENDS_OF_NAMESPACE_MAX));
  return Math.max(
    await sizeWith(SERVERS_OF_NAMESPACE_MAX / serversOf({ endpoints }), namespace, endpoints),
    await sizeWith(BACKENDS_OF_NAMESPACE_MAX, namespace, few),
  );
}

/** The first message of a TLS client. */
const clientHello = () =>
  new Promise<Buffer>((resolve) => {
    const write = (chunk: Buffer, _encoding: string, done: () => void) => {
      resolve(chunk);
      done();
    };
    connectTls({ socket: new Duplex({ read: () => undefined, write }) });
  });

/** Bytes of a connection whose client stops within a record of the handshake. */
async function connection_bytes(): Promise<number> {
  const certificates = [{ ...(await fallbackPair()), id: "fallback", hosts: [] }];
  const tls = { name: "tls", binds: [{ port: plane.tlsPort, certificates }], sites: [] };
  await plane.dataPlane.apply({ frontends: [tls], backends: new Map() });
  const before = await resident_bytes();
  const hello = await clientHello();
  const record = Buffer.concat([Buffer.from([23, 3, 3, 0x3f, 0]), Buffer.alloc(10_000)]);
  const sockets: Socket[] = [];
  for (let i = 0; i < 400; i++) {
    // One address has few handshakes in a second.
    const localAddress = `127.0.3.${i % 20}`;
    const socket = connect({ host: "127.0.0.1", port: plane.tlsPort, localAddress });
    sockets.push(socket.on("error", () => socket.destroy()));
    socket.write(hello);
    await once(socket, "data");
    socket.write(record);
  }
  const info = await command(join(plane.dir, "runtime.sock"), "show info");
  expect(info).toContain(`CurrConns: ${sockets.length}\n`);
  const used_bytes = (await resident_bytes()) - before;
  for (const socket of sockets) socket.destroy();
  return used_bytes / sockets.length;
}

test("the processes fit in the container's memory, whatever clients keep at each", async () => {
  expect(await connection_bytes()).toBeLessThan(CONNECTION_BYTES_MAX);
  const process_bytes =
    (await configured_bytes()) +
    BUFFERS_MAX * HEAD_BYTES_MAX +
    CONNECTIONS_MAX * CONNECTION_BYTES_MAX;
  const manifest = readFileSync(
    new URL("../../cli/addons/ingress/10-ingress.yaml", import.meta.url),
  );
  const [, limit_gib] = /name: haproxy\n[^]*?limits: \{ memory: (\d+)Gi \}/.exec(`${manifest}`)!;
  // The rest is for certificates, requests (4 KB each) and the master process.
  const limit_bytes = Number(limit_gib) * 2 ** 30 * 0.9;
  expect(process_bytes * (FORMER_RELOADS_MAX + 1)).toBeLessThan(limit_bytes);
});

test("a former process ends after a bounded number of further reloads", async () => {
  const slow = createServer().listen(0, "127.0.0.1");
  await once(slow, "listening");
  const { port } = slow.address() as AddressInfo;
  const site: Site = { host: "", paths: [prefix("", "slow")] };
  const calls: ClientRequest[] = [];
  const ended: string[] = [];
  for (let i = 0; i <= FORMER_RELOADS_MAX + 1; i++) {
    const more: Site = { host: `h${i}.test`, paths: [] };
    await plane.apply([site, more], [backendOf("slow", [{ address: "127.0.0.1", port }])]);
    // A request that is never answered keeps its process.
    const asked = once(slow, "request");
    const call = get({ host: "127.0.0.1", port: plane.port, path: `/${i}`, agent: false });
    calls.push(call.on("error", () => ended.push(call.path)));
    await asked;
  }
  await waitFor("the oldest to end", () => ended.includes("/0"));
  expect(ended).not.toContain(calls.at(-1)!.path);
  for (const call of calls) call.destroy();
  slow.closeAllConnections();
  slow.close();
});

test("a reload that would end a former process waits; endpoints do not", async () => {
  const clock = new ManualClock();
  const pace = new ReloadPace(clock);
  const apply = (host: string, index: number) => {
    const web = backendOf("web", [servers[index]!.endpoint]);
    return plane.dataPlane.apply(plane.planOf([{ host, paths: [prefix("", "web")] }], [web]), {
      pace,
    });
  };
  const servedBy = async (host: string) => {
    const { status, headers } = await plane.get(host, "/");
    return status === 200 ? headers["x-served-by"] : status;
  };
  expect(await apply("h.test", 0)).toBe(undefined);
  const worker = await plane.worker();
  for (let i = 0; i < 9; i++) expect(await apply(`h${i}.test`, 1)).toBe(RELOAD_PAUSE_MS);
  expect(await plane.worker()).toBe(worker);
  expect([await servedBy("h.test"), await servedBy("h8.test")]).toEqual(["b", 404]);
  // A change that is taken back needs no reload, and has its own endpoints.
  expect(await apply("h.test", 0)).toBe(undefined);
  expect(await servedBy("h.test")).toBe("a");
  clock.advance(RELOAD_PAUSE_MS);
  expect(await apply("h8.test", 0)).toBe(undefined);
  expect(await servedBy("h8.test")).toBe("a");
  expect(await apply("h9.test", 0)).toBe(FORMER_MS_MIN - RELOAD_PAUSE_MS);
});

test("no reloads end a former process before its time", () => {
  const clock = new ManualClock();
  const pace = new ReloadPace(clock);
  const starts_ms = Array.from({ length: 20 }, () => {
    clock.advance(pace.left_ms);
    pace.count();
    return clock.monotonic();
  });
  // The reload that made it one is the first of them.
  const kept_ms = starts_ms.slice(FORMER_RELOADS_MAX).map((end_ms, at) => end_ms - starts_ms[at]!);
  expect(Math.min(...kept_ms)).toBe(FORMER_MS_MIN);
  expect(starts_ms[1]! - starts_ms[0]!).toBe(RELOAD_PAUSE_MS);
});
