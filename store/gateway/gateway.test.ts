import { once } from "node:events";
import { connect } from "node:http2";
import { createConnection } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { type Store, startStore } from "../main.ts";

const dataDir = suiteFolder("r2k-gateway-");
const anywhere = { host: "127.0.0.1", port: 0 };
const watchAll = { create_request: { key: "AA==", range_end: "AA==" } };
let store: Store;

beforeAll(async () => {
  const options = { listenClient: anywhere, listenMetrics: [anywhere], requestBytes_max: 1_000 };
  store = await startStore({ dataDir: join(dataDir, "on"), ...options });
});
afterAll(() => store.close());

const post = (path: string, body: string | object, headers: Record<string, string> = {}) =>
  fetch(`http://${store.address}/v3/${path}`, {
    method: "POST",
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

async function watches(): Promise<string> {
  const metrics = await (await fetch(`http://${store.address}/metrics`)).text();
  return /^etcd_debugging_mvcc_watch_stream_total (\d+)$/m.exec(metrics)![1]!;
}

const untilNoWatches = () => waitFor("the watch to end", async () => (await watches()) === "0");

test("a body is bounded, and so is the request that it stands for", async () => {
  const key = "A".repeat(4_000_000);
  const answer = await post("kv/put", { key });
  expect([answer.status, await answer.json()]).toEqual([
    429,
    {
      error: "grpc: received message larger than max",
      code: 8,
      message: "grpc: received message larger than max",
    },
  ]);
  const tooLarge = await post("kv/put", { key: "A".repeat(8_000) });
  expect([tooLarge.status, await tooLarge.json()]).toMatchObject([
    400,
    { code: 3, message: "etcdserver: request is too large" },
  ]);
});

test("a client that reads after it has sent everything gets the refusal", async () => {
  const body = "A".repeat(20_000_000);
  const socket = createConnection(Number(store.address!.split(":")[1]), "127.0.0.1");
  const head = `POST /v3/kv/put HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject).write(head + body, () => resolve());
  });
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString("latin1")).toContain("HTTP/1.1 429 ");
  socket.destroy();
});

test("a stream's malformed request answers 400", async () => {
  for (const body of ["{bad}", "{", "[]", '{"create_request":5}', "x"]) {
    const answer = await post("watch", body);
    const { error } = (await answer.json()) as { error: object };
    expect([body, answer.status, error]).toMatchObject([body, 400, { code: 3, grpc_code: 3 }]);
  }
});

test("a deadline ends a stream", async () => {
  const answer = await post("watch", watchAll, { "grpc-timeout": "300m" });
  const lines = (await answer.text()).trim().split("\n");
  const [created, ended] = lines.map((line) => JSON.parse(line) as unknown);
  expect(created).toMatchObject({ result: { created: true } });
  expect(ended).toMatchObject({ error: { code: 4, http_code: 504 } });
  await untilNoWatches();
});

test("a watch over HTTP/1.1 ends with its client", async () => {
  const gone = new AbortController();
  const answer = await fetch(`http://${store.address}/v3/watch`, {
    method: "POST",
    body: JSON.stringify(watchAll),
    signal: gone.signal,
  });
  await answer.body!.getReader().read();
  expect(await watches()).toBe("1");
  gone.abort();
  await untilNoWatches();
});

test("HTTP/2 has the gateway, and its watches end with their stream", async () => {
  const session = connect(`http://${store.address}`);
  const stream = session.request({ ":method": "POST", ":path": "/v3/watch" });
  let lines = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => (lines += chunk));
  stream.end(JSON.stringify(watchAll));
  const clock = systemClock();
  await waitFor("the watch", () => lines.includes("created"), { clock });
  expect((await post("kv/put", { key: "aDI=" })).status).toBe(200);
  await waitFor("the event", () => lines.includes('"key":"aDI="'), { clock });
  stream.close();
  await untilNoWatches();
  session.destroy();
});

test("an address for metrics has no gateway, nor has a store without it", async () => {
  const body = JSON.stringify({ key: "AA==" });
  const ask = async (address: string) => {
    const answer = await fetch(`${address}/v3/kv/range`, { method: "POST", body });
    return [answer.status, await answer.text()];
  };
  const none = [404, "404 page not found\n"];
  expect(await ask(`http://${store.httpAddresses[0]!}`)).toEqual(none);
  const options = { listenClient: anywhere, listenHttp: [anywhere] };
  const apart = await startStore({ dataDir: join(dataDir, "apart"), ...options });
  expect(await ask(`http://${apart.address}`)).toEqual(none);
  expect((await ask(`http://${apart.httpAddresses[0]!}`))[0]).toBe(200);
  await apart.close();
  const off = { listenClient: anywhere, grpcGateway: false };
  const without = await startStore({ dataDir: join(dataDir, "off"), ...off });
  expect(await ask(`http://${without.address}`)).toEqual(none);
  await without.close();
});

test("while auth is on, no body is read for a client that is not a user", async () => {
  const secured = await startStore({ dataDir: join(dataDir, "auth"), listenClient: anywhere });
  const [host, port] = secured.address!.split(":") as [string, string];
  const send = async (path: string, body: object) => {
    const url = `http://${secured.address}/v3/auth/${path}`;
    const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
    return (await answer.json()) as { token?: string };
  };
  const root = { name: "root", password: "pw" };
  await send("role/add", { name: "root" });
  await send("user/add", root);
  await send("user/grant", { user: "root", role: "root" });
  await send("enable", {});
  /** The answer to a request whose body does not come. */
  const begin = async (path: string, field: string) => {
    const socket = createConnection(Number(port), host);
    socket.write(`POST /v3/${path} HTTP/1.1\r\nHost: a\r\n${field}Content-Length: 100\r\n\r\n`);
    return await text(socket);
  };
  for (const path of ["kv/put", "kv/range", "watch", "lease/keepalive", "auth/user/add"]) {
    expect(await begin(path, "")).toContain("etcdserver: user name is empty");
    expect(await begin(path, "Authorization: x\r\n")).toContain("etcdserver: invalid auth token");
  }
  // Signing in takes no user.
  const { token } = await send("authenticate", root);
  for (const authorization of [token!, `Bearer ${token}`]) {
    const read = { method: "POST", headers: { authorization }, body: '{"key":"YQ=="}' };
    expect((await fetch(`http://${secured.address}/v3/kv/range`, read)).status).toBe(200);
  }
  await secured.close();
});
