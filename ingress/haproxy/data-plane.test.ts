import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { renameSync } from "node:fs";
import { Agent, createServer, get } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../testing/free-port.ts";
import { waitFor } from "../../testing/wait.ts";
import {
  ANSWER_MS_MAX,
  CLIENT_SOCKET_BYTES,
  CONNECTIONS_MAX,
  CONNECTIONS_OF_ADDRESS_MAX,
  CONNECTIONS_OF_ADDRESS_UNCOUNTED_MAX,
  FRONTENDS_COUNTED_MAX,
  PARTS_OF_LEFT,
  REQUESTS_OF_NAMESPACE_MAX,
  SERVER_SOCKET_BYTES,
} from "../limits.ts";
import type { PathRule, Site } from "../plan/model.ts";
import {
  backendOf,
  type Echoed,
  type EchoServer,
  echoServer,
  OwnDataPlane,
} from "../testing/own-data-plane.ts";
import { command } from "./data-plane.ts";
import { assignServers } from "./servers.ts";

let plane: OwnDataPlane;
let servers: EchoServer[];

beforeAll(async () => {
  plane = await OwnDataPlane.start();
  servers = await Promise.all(["a", "b", "c"].map(echoServer));
});

afterAll(async () => {
  await plane.close();
  for (const { server } of servers) server.close();
});

const endpoint = (index: number) => servers[index]!.endpoint;
const exact = (path: string, backend: string): PathRule => ({
  kind: "exact",
  path,
  conditions: [],
  backend,
});
const prefix = (path: string, backend: string): PathRule => ({
  kind: "prefix",
  path,
  conditions: [],
  backend,
});

async function servedBy(host: string, path: string, headers = {}): Promise<string | number> {
  const {
    status,
    headers: { "x-served-by": name },
  } = await plane.get(host, path, { headers });
  return status === 200 ? String(name) : status;
}

describe("hosts and paths", () => {
  const sites: Site[] = [
    {
      host: "web.test",
      paths: [prefix("", "a"), exact("/exact", "b"), prefix("/foo", "c"), prefix("/foo/bar", "b")],
    },
    { host: "deep.wild.test", paths: [prefix("", "c")] },
    { host: "*.wild.test", paths: [prefix("", "a")] },
    { host: "**.many.test", paths: [prefix("", "a")] },
    { host: "**.longer.many.test", paths: [prefix("", "b")] },
    { host: "", paths: [prefix("/any", "c")] },
  ];

  beforeAll(async () => {
    await plane.apply(
      sites,
      ["a", "b", "c"].map((name, index) => backendOf(name, [endpoint(index)])),
    );
  });

  test.each([
    ["web.test", "/", "a"],
    ["WEB.test.", "/?x=/foo", "a"],
    ["web.test:8080", "/exact", "b"],
    ["web.test", "/exact/", "a"],
    ["web.test", "/foo", "c"],
    ["web.test", "/foo/", "c"],
    ["web.test", "/foobar", "a"],
    ["web.test", "/foo/bar", "b"],
    ["web.test", "/foo/bar/x?y", "b"],
    ["web.test", "/FOO", "a"],
    ["one.wild.test", "/", "a"],
    ["deep.wild.test", "/", "c"],
    ["two.one.wild.test", "/", 404],
    ["wild.test", "/", 404],
    ["one.many.test", "/", "a"],
    ["two.one.many.test", "/", "a"],
    ["one.longer.many.test", "/", "b"],
    ["other.test", "/any/x", "c"],
    ["other.test", "/", 404],
  ])("%s%s is served by %s", async (host, path, name) => {
    expect(await servedBy(host, path)).toBe(name);
  });

  test("clients do not choose the headers that name them", async () => {
    const headers = { "x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https", forwarded: "x" };
    const { body } = await plane.get("web.test", "/", { headers });
    const echoed = JSON.parse(body) as Echoed;
    expect(echoed.headers).toMatchObject({
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "web.test",
    });
    expect(echoed.headers).not.toHaveProperty("forwarded");
  });

  test("clients do not choose them by other names, or by options of the connection", async () => {
    const sent = {
      "x-real-ip": "9.9.9.9",
      x_forwarded_for: "9.9.9.9",
      "x-forwarded-port": "443",
      "x-original-url": "/admin",
      "x-forwarder": "mine",
      connection: "close, X-Forwarded-For",
    };
    const { body } = await plane.get("web.test", "/", { headers: sent });
    const { headers } = JSON.parse(body) as Echoed;
    for (const name of Object.keys(sent).slice(0, 4)) expect(headers).not.toHaveProperty(name);
    expect(headers["x-forwarder"]).toBe("mine");
    expect(headers["connection"] ?? "").not.toMatch(/forwarded/i);
    expect(headers["x-forwarded-for"]).toBe("127.0.0.1");
  });

  test("a host that is none is refused", async () => {
    const none = ["web.test:1@other.test", "web.test/x", "web.test x", "other.test,web.test"];
    for (const host of [...none, "web.test:80:other.test", "[::1]other.test", "web.test:http"]) {
      expect(await servedBy(host, "/")).toBe(400);
    }
    expect(await servedBy("web.test:8080", "/")).toBe("a");
    expect(await servedBy("[::1]:80", "/")).toBe(404);
  });

  test.each([
    ["web.test", 200],
    ["other.test", 400],
  ])(
    "of two hosts, web.test and %s, HAProxy passes one on or refuses both",
    async (other, code) => {
      const socket = connect({ host: "127.0.0.1", port: plane.port });
      socket.end(`GET / HTTP/1.1\r\nHost: web.test\r\nHost: ${other}\r\nConnection: close\r\n\r\n`);
      expect(await text(socket)).toMatch(new RegExp(`^HTTP/1.1 ${code} `));
    },
  );
});

describe("no request passes the rules in a tunnel", () => {
  test("a backend is not asked to change to HTTP/2", async () => {
    for (const connection of ["Upgrade, HTTP2-Settings", "Upgrade"]) {
      const upgrade = { connection, upgrade: "TLS/1.3, H2C", "http2-settings": "AAMAAABk" };
      const { body } = await plane.get("web.test", "/", { headers: upgrade });
      const { headers } = JSON.parse(body) as Echoed;
      expect(headers).not.toHaveProperty("upgrade");
      expect(headers).not.toHaveProperty("http2-settings");
    }
  });

  test("nor where a backend may find another end of a body", async () => {
    const post = async (version: string, more: string) => {
      const socket = connect({ host: "127.0.0.1", port: plane.port });
      const head = `POST / HTTP/${version}\r\nHost: web.test\r\nConnection: close\r\n`;
      socket.end(`${head}${more}\r\n\r\n0\r\n\r\n`);
      return text(socket);
    };
    expect(await post("1.0", "Transfer-Encoding: chunked")).toMatch(/^HTTP\/1.1 400 /);
    const other = "Transfer_Encoding: chunked\r\nContent_Length: 0\r\nContent-Length: 5";
    const answer = await post("1.1", other);
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(answer).not.toMatch(/_(encoding|length)/i);
  });

  test("CONNECT is refused", async () => {
    const socket = connect({ host: "127.0.0.1", port: plane.port });
    socket.end("CONNECT web.test:80 HTTP/1.1\r\nHost: web.test:80\r\n\r\n");
    expect(await text(socket)).toMatch(/^HTTP\/1.1 405 /);
  });
});

describe("conditions", () => {
  test("the first rule that holds decides, then shorter prefixes", async () => {
    const paths: PathRule[] = [
      { ...prefix("/foo", "b"), conditions: [{ on: "header", name: "x-v", value: "two } #" }] },
      {
        ...prefix("/foo", "c"),
        conditions: [
          { on: "query", name: "v", value: "3" },
          { on: "method", value: "GET" },
        ],
      },
      prefix("", "a"),
      { ...exact("/foo/bar", "c"), conditions: [{ on: "method", value: "POST" }] },
      { ...prefix("/foo/bar", "a"), conditions: [{ on: "header", name: "x-v", value: "a" }] },
    ];
    await plane.apply(
      [{ host: "", paths }],
      ["a", "b", "c"].map((name, index) => backendOf(name, [endpoint(index)])),
    );
    expect(await servedBy("x.test", "/foo/bar", { "x-v": "a" })).toBe("a");
    expect(await servedBy("x.test", "/foo/bar", { "x-v": "two } #" })).toBe("b");
    expect((await plane.get("x.test", "/foo/bar", { method: "POST" })).headers["x-served-by"]).toBe(
      "c",
    );
    expect(await servedBy("x.test", "/foo", { "x-v": "two } #" })).toBe("b");
    expect(await servedBy("x.test", "/foo", { "x-v": "two" })).toBe("a");
    expect(await servedBy("x.test", "/foo?v=3")).toBe("c");
    expect(await servedBy("x.test", "/foo?v=4")).toBe("a");
    expect((await plane.get("x.test", "/foo?v=3", { method: "PUT" })).headers["x-served-by"]).toBe(
      "a",
    );
  });
});

describe("changes", () => {
  const site: Site = { host: "", paths: [prefix("", "web")] };

  test("endpoints come and go without a reload", async () => {
    await plane.apply([site], [backendOf("web", [endpoint(0)])]);
    const worker = await plane.worker();
    await plane.apply([site], [backendOf("web", [endpoint(1), endpoint(2)])]);
    const names = new Set<string | number>();
    for (let i = 0; i < 8; i++) names.add(await servedBy("x.test", "/"));
    expect([...names].sort()).toEqual(["b", "c"]);
    await plane.apply([site], [backendOf("web", [])]);
    expect(await servedBy("x.test", "/")).toBe(503);
    expect(await plane.worker()).toBe(worker);
  });

  test("endpoints keep their servers when one of them goes", async () => {
    const all = [0, 1, 2].map(endpoint);
    await plane.apply([site], [backendOf("web", all)]);
    await plane.apply([site], [backendOf("web", all.slice(1))]);
    const table = await command(join(plane.dir, "runtime.sock"), "show servers state web");
    const [names = [], ...rows] = table
      .split("\n")
      .slice(1)
      .map((line) => line.split(" "));
    const at = names.indexOf("srv_port") - 1; // after the "#"
    const ports = rows.slice(0, 2).map((row) => Number(row[at]));
    expect(ports).toEqual([all[2]!.port, all[1]!.port]);
    const targetOf = (endpoints: typeof all) => ({ weight: 1, endpoints, isHttp2: false });
    const [two, rest] = [all, all.slice(1)].map((one) =>
      backendOf("two", [], { targets: [targetOf([endpoint(0)]), targetOf(one)] }),
    );
    const before = assignServers(two!);
    const after = assignServers(rest!, before);
    const kept = after.filter(({ endpoint }, i) => endpoint && endpoint === before[i]!.endpoint);
    expect(kept.map(({ endpoint }) => endpoint)).toEqual([endpoint(0), all[1]]);
  });

  test("endpoints do not wait while haproxy refuses the configuration", async () => {
    await plane.apply([site], [backendOf("web", [endpoint(0)])]);
    const refused = backendOf("refused", [], { timeout_ms: 2 ** 40 });
    await expect(
      plane.apply([site], [backendOf("web", [endpoint(1)]), refused]),
    ).rejects.toMatchObject({ code: "BAD_CONFIGURATION" });
    expect(await servedBy("x.test", "/")).toBe("b");
    // A haproxy that is started again loads the same file.
    const worker = await plane.worker();
    await command(join(plane.dir, "master.sock"), "reload");
    const isOther = async () =>
      !(await command(join(plane.dir, "runtime.sock"), "show info")).includes(`Pid: ${worker}\n`);
    await waitFor("another process", isOther);
    expect(await servedBy("x.test", "/")).toBe("b");
  });

  test("a configuration is refused as such though haproxy does not answer", async () => {
    await plane.apply([site], [backendOf("web", [endpoint(0)])]);
    const socket = join(plane.dir, "runtime.sock");
    renameSync(socket, `${socket}.away`);
    const refused = backendOf("refused", [], { timeout_ms: 2 ** 40 });
    const applied = plane.apply([site], [backendOf("web", [endpoint(1)]), refused]);
    await expect(applied).rejects.toMatchObject({ code: "BAD_CONFIGURATION" });
    renameSync(`${socket}.away`, socket);
    await plane.apply([site], [backendOf("web", [endpoint(1)])]);
    expect(await servedBy("x.test", "/")).toBe("b");
  });

  test("weights share requests between targets; what is missing answers 500", async () => {
    const target = (index: number, weight: number) => ({
      weight,
      endpoints: [endpoint(index)],
      isHttp2: false,
    });
    const targets = [target(0, 3), target(1, 1)];
    await plane.apply([site], [{ name: "web", targets, filters: [] }]);
    const counts = new Map<string | number, number>();
    for (let i = 0; i < 40; i++) {
      const name = await servedBy("x.test", "/");
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(counts.get("a")).toBeGreaterThanOrEqual(28);
    expect(counts.get("b")).toBeGreaterThanOrEqual(8);
    const missing = { weight: 1, endpoints: undefined, isHttp2: false };
    await plane.apply([site], [{ name: "web", targets: [missing], filters: [] }]);
    expect(await servedBy("x.test", "/")).toBe(500);
  });

  test("a reload under load drops no request", async () => {
    await plane.apply([site], [backendOf("web", [endpoint(0)])]);
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    let isOver = false;
    let answers = 0;
    const client = async () => {
      while (!isOver) {
        await new Promise<void>((resolve, reject) => {
          const call = get({ host: "127.0.0.1", port: plane.port, agent }, (response) => {
            response.resume().on("end", resolve).on("error", reject);
            if (response.statusCode !== 200) reject(new Error(`HTTP ${response.statusCode}`));
          });
          call.on("error", reject);
        });
        answers++;
      }
    };
    const clients = Promise.all(Array.from({ length: 8 }, client));
    const workers = new Set([await plane.worker()]);
    for (let i = 0; i < 3; i++) {
      const more: Site = { host: `h${i}.test`, paths: [] };
      await plane.apply([site, more], [backendOf("web", [endpoint(i % 3)])]);
      workers.add(await plane.worker());
    }
    await expect.poll(() => answers).toBeGreaterThan(50);
    isOver = true;
    await clients;
    agent.destroy();
    expect(workers.size).toBe(4);
  });
});

describe("rewriting", () => {
  test.each([
    ["/old", "/new", "/old", "/new"],
    ["/old", "/new", "/old/x?y=/old", "/new/x?y=/old"],
    ["/old", "/new/", "/old/x", "/new/x"],
    ["/old", "/", "/old", "/"],
    ["/old", "/", "/old/x", "/x"],
    ["/old", "/", "/old/", "/"],
    ["", "/new", "/x", "/new/x"],
    ["", "/", "/x", "/x"],
  ])("the prefix %j by %j makes %s %s", async (path, value, asked, sent) => {
    const rewrite = { kind: "prefix", length: path.length, value } as const;
    await plane.apply(
      [{ host: "", paths: [prefix(path, "web")] }],
      [backendOf("web", [endpoint(0)], { filters: [rewrite] })],
    );
    const { body } = await plane.get("x.test", asked);
    expect((JSON.parse(body) as Echoed).url).toBe(sent);
  });
});

describe("what clients keep open", () => {
  const sockets: Socket[] = [];
  /** The server of a tenant that takes requests, and answers none. */
  const silent = createServer(() => undefined);
  /** The port of a frontend whose connections are not added to those of others. */
  let uncountedPort: number;
  const others = { localAddress: "127.0.0.9" };

  beforeAll(async () => {
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    uncountedPort = await freePort();
    const hangs = { address: "127.0.0.1", port: (silent.address() as AddressInfo).port };
    const plan = plane.planOf(
      [
        { host: "good.test", paths: [prefix("", "good")] },
        { host: "evil.test", paths: [prefix("", "evil")] },
      ],
      [
        backendOf("good", [endpoint(0)], { namespace: "good" }),
        backendOf("evil", [hangs], { namespace: "evil", timeout_ms: ANSWER_MS_MAX }),
      ],
    );
    const other = { name: "gateway-1", binds: [{ port: plane.tlsPort }], sites: [] };
    const more = Array.from({ length: FRONTENDS_COUNTED_MAX }, (_, at) => {
      return { name: `gateway-${at + 2}`, binds: [], sites: [] };
    });
    const last = { name: "gateway-last", binds: [{ port: uncountedPort }], sites: [] };
    await plane.dataPlane.apply({ ...plan, frontends: [other, ...plan.frontends, ...more, last] });
  });

  afterEach(async () => {
    const open = sockets.splice(0).filter(({ closed }) => !closed);
    const closed = open.map((socket) => once(socket, "close"));
    for (const socket of open) socket.destroy();
    await Promise.all(closed);
    // haproxy counts a request until its backend answers, although its client has gone.
    silent.closeAllConnections();
  });
  afterAll(() => {
    silent.closeAllConnections();
    silent.close();
  });

  async function open(localAddress: string, count: number, text = "", port = plane.port) {
    for (let i = 0; i < count; i++) {
      const socket = connect({ host: "127.0.0.1", port, localAddress });
      socket
        .on("error", () => socket.destroy())
        .resume()
        .write(text);
      sockets.push(socket);
      if (i % 100 < 99) continue;
      // One that is refused may be reset before it is known to be connected.
      await new Promise<void>((resolve) => {
        socket.once("connect", () => resolve()).once("close", () => resolve());
      });
    }
  }
  const endedCount = () =>
    sockets.filter(({ closed, readableEnded }) => closed || readableEnded).length;
  const ended = (count: number) => waitFor(`${count} ends`, () => endedCount() === count);
  /** Waits until haproxy has taken so many connections, beside that for the question. */
  const taken = (isEnough: (count: number) => boolean) =>
    waitFor("haproxy's connections", async () => {
      const info = await command(join(plane.dir, "runtime.sock"), "show info");
      return isEnough(Number(/^CurrConns: (\d+)$/m.exec(info)![1]));
    });

  test("the kernel's buffers of a connection do not grow", async () => {
    await open("127.0.0.6", 1, "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    await once(silent, "request");
    const { port } = silent.address() as AddressInfo;
    const sizes = (end: string) => {
      const sockets = execFileSync("ss", ["-tmnH", "state", "established", end], {
        encoding: "utf8",
      });
      const found = [...sockets.matchAll(/skmem:\(r\d+,rb(\d+),t\d+,tb(\d+)/g)];
      return found.map(([, received, sent]) => [Number(received), Number(sent)]);
    };
    // The kernel has twice as much, of which a half is for its own records.
    const [client, server] = [2 * CLIENT_SOCKET_BYTES, 2 * SERVER_SOCKET_BYTES];
    expect(sizes(`sport = :${plane.port}`)).toContainEqual([client, client]);
    expect(sizes(`dport = :${port}`)).toContainEqual([server, server]);
  });

  test("an address has a share of the connections, and others are served", async () => {
    await open("127.0.0.1", CONNECTIONS_OF_ADDRESS_MAX + 10);
    await ended(10);
    expect((await plane.get("good.test", "/", others)).status).toBe(200);
  });

  test("where connections are not counted together, an address has few", async () => {
    await open("127.0.2.5", CONNECTIONS_OF_ADDRESS_UNCOUNTED_MAX + 5, "", uncountedPort);
    await ended(5);
    expect((await plane.get("good.test", "/", others)).status).toBe(200);
  });

  test("where half of the connections are taken, an address has a part of those left", async () => {
    await taken((count) => count < 10); // those of other tests have gone
    const half = CONNECTIONS_MAX / 2;
    await open("127.0.2.1", half / 2);
    await open("127.0.2.2", half / 2, "", plane.tlsPort);
    await taken((count) => count >= half);
    const most = Math.floor(half / PARTS_OF_LEFT);
    await open("127.0.2.3", 2 * most);
    await taken((count) => endedCount() >= most && count <= half + most);
    expect((await plane.get("good.test", "/", others)).status).toBe(200);
    expect(sockets.slice(half).filter(({ closed }) => !closed).length).toBeGreaterThan(most / 2);
  });

  test("a namespace has a share of the requests, an address a half of it; others' are answered", async () => {
    const half = REQUESTS_OF_NAMESPACE_MAX / 2;
    const request = "GET / HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n";
    await open("127.0.0.2", half + 10, request);
    await ended(10);
    await open("127.0.0.3", half + 10, request);
    await ended(20);
    expect((await plane.get("evil.test", "/", others)).status).toBe(503);
    expect((await plane.get("good.test", "/", others)).status).toBe(200);
  });
});
