// In a process of its own: it measures how much memory the process takes.

import type { LookupAddress } from "node:dns";
import type { lookup } from "node:dns/promises";
import { readdirSync } from "node:fs";
import { createServer as createTlsServer } from "node:https";
import { createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { nextTurn } from "@raft2kube/std/slices.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { listening } from "../../testing/listening.ts";
import { CountedTurns, mostInOneTurn } from "../../testing/turns.ts";
import {
  IMAGE_CONFIG_BYTES,
  MANIFEST_BYTES,
  REGISTRY_TIMEOUT_MS,
  REGISTRY_WAITS,
  TOKEN_BYTES,
} from "../limits.ts";
import { digestOf } from "./blobs.ts";
import { get, lookupInTurn } from "./http.ts";
import { hostPlatform, MediaType } from "./manifest.ts";
import { pullImage } from "./pull.ts";
import { parseReference } from "./reference.ts";
import { errorsOf, RegistryRepository } from "./registry.ts";
import { ImageStore } from "./store.ts";

/** Writes an answer to one request, byte by byte if it likes, and ends or leaves the connection. */
type Answer = (socket: Socket, request: string) => void;

let base: string;
let server: Server;
let domain: string;
let answers: Map<RegExp, Answer>;
let asked: string[];
const sockets = new Set<Socket>();

beforeEach(async () => {
  base = testFolder("r2k-registry-");
  answers = new Map();
  asked = [];
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", (data) => {
      const request = data.toString("latin1");
      asked.push(request);
      const target = request.split(" ")[1] ?? "";
      // The newest answer to a target counts.
      const [, answer] = [...answers].findLast(([pattern]) => pattern.test(target)) ?? [];
      (answer ?? whole(404, "{}"))(socket, request);
    });
  });
  await listening(server);
  const address = server.address();
  domain = `127.0.0.1:${typeof address === "object" ? address!.port : 0}`;
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server.close();
});

const head = (status: number, ...lines: string[]) =>
  `HTTP/1.1 ${status} X\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
function whole(status: number, body: string | Buffer, ...lines: string[]): Answer {
  return (socket) => {
    socket.write(head(status, `Content-Length: ${Buffer.byteLength(body)}`, ...lines));
    socket.end(body);
  };
}
/** Writes as fast as the other side reads, until it closes. */
function endless(start: string, piece: string | Buffer): Answer {
  return (socket) => {
    const go = () => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on("drain", go);
    socket.write(start);
    go();
  };
}

/** An image of one layer of zeros, with a test's changes. */
function serve(change: { layer?: Answer; config?: object; manifest?: object } = {}) {
  const layer = gzipSync(Buffer.alloc(1_024));
  const config = Buffer.from(
    JSON.stringify({
      ...hostPlatform(),
      rootfs: { type: "layers", diff_ids: [digestOf(Buffer.alloc(1_024))] },
      ...change.config,
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: { mediaType: MediaType.ociConfig, digest: digestOf(config), size: config.length },
      layers: [
        { mediaType: `${MediaType.ociLayer}+gzip`, digest: digestOf(layer), size: layer.length },
      ],
      ...change.manifest,
    }),
  );
  answers.set(/manifests/, whole(200, manifest));
  answers.set(/blobs/, change.layer ?? whole(200, layer));
  answers.set(new RegExp(digestOf(config)), whole(200, config));
  return { layer, config, manifest };
}
const open = async () => {
  const store = new ImageStore(base, () => []);
  await store.open();
  return store;
};
const pull = async (options = {}) => {
  const store = await open();
  const image = await pullImage(store, `${domain}/x:1`, {
    clock: systemClock(),
    endpoints: {},
    ...options,
  });
  return { store, image };
};

test("an honest registry is pulled from", async () => {
  serve();
  const { store, image } = await pull();
  expect(store.get(`${domain}/x:1`).id).toBe(image.id);
});

const cut =
  (...lines: string[]): Answer =>
  (socket) => {
    socket.write(head(200, ...lines));
    socket.end("short");
  };
test.each<[string, Answer, string, RegExp]>([
  ["shorter than it says", cut("Content-Length: 900"), "unavailable", /transfer failed/],
  ["ended within a chunk", cut("Transfer-Encoding: chunked", "", "ff"), "unavailable", /transfer/],
  [
    "of HTTP/1.0, ended by closing",
    (socket) => {
      socket.end("HTTP/1.0 200 OK\r\n\r\nshort");
    },
    "failed-precondition",
    /digest/,
  ],
  [
    "of HTTP/1.0 with a length, ended by closing",
    (socket) => {
      socket.end("HTTP/1.0 200 OK\r\nContent-Length: 900\r\n\r\nshort");
    },
    "unavailable",
    /transfer failed/,
  ],
  [
    "reset",
    (socket) => {
      socket.write(head(200, "Content-Length: 900"));
      socket.write("short", () => socket.resetAndDestroy());
    },
    "unavailable",
    /transfer failed|cannot reach/,
  ],
  ["reset at once", (socket) => void socket.resetAndDestroy(), "unavailable", /cannot reach/],
  ["closed before it begins", (socket) => void socket.end(), "unavailable", /cannot reach/],
  ["no HTTP", (socket) => void socket.end("SSH-2.0-x\r\n"), "unavailable", /cannot reach/],
  [
    "switched to another protocol",
    (socket) => {
      socket.write(head(101, "Upgrade: x", "Connection: Upgrade"));
    },
    "unavailable",
    /cannot reach/,
  ],
  ["of two lengths", cut("Content-Length: 5", "Content-Length: 6"), "unavailable", /cannot reach/],
  [
    "with a broken chunk",
    (socket) => {
      socket.end(`${head(200, "Transfer-Encoding: chunked")}xyz\r\n`);
    },
    "unavailable",
    /transfer failed|cannot reach/,
  ],
  ["of endless headers", endless("HTTP/1.1 200 X\r\n", "A: b\r\n"), "unavailable", /reach/],
  ["without end", endless(head(200), Buffer.alloc(65_536)), "resource-exhausted", /more than/],
  [
    "a loop of redirections",
    (socket, request) => {
      const target = request.split(" ")[1]!;
      whole(307, "", `Location: ${target}`)(socket, request);
    },
    "unavailable",
    /redirections/,
  ],
  ["a redirection to a file", whole(302, "", "Location: file:///x"), "unavailable", /redirects/],
  ["a redirection to nonsense", whole(302, "", "Location: http://["), "unavailable", /redirects/],
  ["of another content", whole(200, "another content"), "failed-precondition", /digest|more than/],
  ["an error of a proxy", whole(502, "<html>\r\n\x07".repeat(500)), "unavailable", /502 for blobs/],
  ["an error without a list", whole(500, '{"errors": {"map": 5}}'), "unavailable", /500 for blobs/],
])("a layer that is %s is an error of the pull", async (_, layer, code, message) => {
  serve({ layer });
  const text = expect.stringMatching(message) as string;
  await expect(pull()).rejects.toMatchObject({ code, message: text });
  expect((await open()).list()).toEqual([]);
  // The next pull finds nothing in its way.
  serve();
  await pull();
  expect(readdirSync(path.join(base, "blobs/incoming"))).toEqual([]);
});

test("a blob whose end alone is lost is complete", async () => {
  let broken: Socket | undefined;
  answers.set(/blobs/, (socket) => {
    broken = socket;
    socket.write(head(200, "Transfer-Encoding: chunked"));
    socket.write("5\r\nhello\r\n");
  });
  const options = { clock: systemClock(), endpoints: {} };
  const repository = new RegistryRepository(parseReference(`${domain}/x:1`), options);
  const digest = digestOf(Buffer.from("hello"));
  for await (const chunk of await repository.blob({ digest, size: 5 })) {
    expect(chunk.toString()).toBe("hello");
    broken?.destroy();
  }
  expect(asked).toHaveLength(1);
});

test("a registry that asks for a short wait is asked again, a few times", async () => {
  const { manifest } = serve();
  const busy = whole(429, "", "Retry-After: 0");
  answers.set(/manifests/, (socket, request) => {
    (asked.length > 2 ? whole(200, manifest) : busy)(socket, request);
  });
  await pull();
  answers.set(/manifests/, busy);
  asked = [];
  await expect(pull()).rejects.toThrow(/429 for manifests/);
  expect(asked).toHaveLength(1 + REGISTRY_WAITS);
  answers.set(/manifests/, whole(429, "", "Retry-After: 999"));
  asked = [];
  await expect(pull()).rejects.toThrow(/429 for manifests/);
  expect(asked).toHaveLength(1);
});

test("a layer that keeps waiting is cancelled with its pull", async () => {
  const abort = new AbortController();
  serve({
    layer: (socket) => {
      socket.write(head(200, "Content-Length: 900"));
      socket.write("a bit", () => abort.abort());
    },
  });
  await expect(pull({ signal: abort.signal })).rejects.toMatchObject({ code: "unavailable" });
});

test("a layer that arrives too slowly is cancelled", async () => {
  // Passes a third of a transfer's time whenever the pull waits for another byte.
  let drip = () => undefined as void;
  let now_ms = 0;
  const clock = {
    now: () => now_ms,
    monotonic: () => now_ms,
    after: (delay_ms: number, fn: () => void) => {
      const timer = { at_ms: now_ms + delay_ms, done: false };
      setImmediate(() => {
        drip();
        if (now_ms >= timer.at_ms && !timer.done) fn();
      });
      return { cancel: () => void (timer.done = true) };
    },
  };
  serve({
    layer: (socket) => {
      socket.write(head(200, "Content-Length: 900"));
      drip = () => {
        now_ms += REGISTRY_TIMEOUT_MS / 3;
        socket.write("x");
      };
    },
  });
  await expect(pull({ clock })).rejects.toThrow(/too slowly/);
});

const spaces = (status: number) => endless(head(status), " ".repeat(65_536));
test.each([
  ["manifest", MANIFEST_BYTES, () => answers.set(/manifests/, spaces(200))],
  ["error", MANIFEST_BYTES, () => answers.set(/manifests/, spaces(500))],
  [
    "token",
    TOKEN_BYTES,
    () => {
      const realm = `WWW-Authenticate: Bearer realm="http://${domain}/token"`;
      answers.set(/manifests/, whole(401, "", realm));
      answers.set(/token/, spaces(200));
    },
  ],
] as [string, number, () => void][])("an endless %s is bounded", async (_, limit, set) => {
  set();
  const before = process.memoryUsage().rss;
  await expect(pull()).rejects.toMatchObject({ code: "resource-exhausted" });
  expect(process.memoryUsage().rss - before).toBeLessThan(limit * 8 + (32 << 20));
});

test.each([
  ["no JSON", whole(200, "hello"), /not JSON/],
  ["no object", whole(200, "null"), /is not a token/],
  ["a token that is no text", whole(200, '{"token": 5}'), /is not a token/],
  ["a token with a line break", whole(200, '{"token": "a\\r\\nHost: x"}'), /is not a token/],
  ["a refusal", whole(403, "secret of somebody"), /token server http:\S+: 403$/],
])("a token server that answers with %s is an error of the pull", async (_, token, message) => {
  answers.set(/token/, token);
  const realm = `WWW-Authenticate: Bearer realm="http://${domain}/token"`;
  answers.set(/manifests/, whole(401, "", realm));
  await expect(pull()).rejects.toThrow(message);
});

const realms = ["http://[", "file:///etc/passwd", "/token", ""];
test.each(realms)("the realm %j is refused", async (realm) => {
  answers.set(/manifests/, whole(401, "", `WWW-Authenticate: Bearer realm="${realm}"`));
  await expect(pull()).rejects.toMatchObject({ code: "permission-denied" });
});

test("credentials go to the registry alone, not to where it redirects", async () => {
  const { layer } = serve();
  answers.set(/elsewhere/, whole(200, layer));
  const elsewhere = `Location: http://localhost:${domain.split(":")[1]}/elsewhere`;
  answers.set(new RegExp(digestOf(layer)), whole(307, "", elsewhere));
  await pull({ auth: { registryToken: "secret" } });
  const withSecret = asked.filter((request) => /secret/i.test(request));
  expect(withSecret.filter((request) => request.includes("/elsewhere"))).toEqual([]);
});

test("another place's answer is not quoted: the node may reach what a pod may not", async () => {
  const internal = `http://localhost:${domain.split(":")[1]}/internal`;
  answers.set(/internal/, whole(500, "the secret of an internal service"));
  answers.set(/manifests/, whole(302, "", `Location: ${internal}`));
  await expect(pull()).rejects.toThrow(/: 500 for manifests\/1$/);
});

test("an error's text is one short line", () => {
  const message = "a\nb\u001b[2J".repeat(999);
  const long = JSON.stringify({ errors: [{ code: "DENIED", message }] });
  expect(errorsOf(long)).toMatch(/^DENIED: a b \[2Ja b/);
  // Of one that is too long to be read, the start of its text is.
  const longer = JSON.stringify({ errors: Array(10_000).fill({ code: "DENIED", message }) });
  expect(errorsOf(longer)).toMatch(/^\{"errors":/);
  expect(errorsOf(long).length).toBe(300);
  expect(errorsOf('{"errors": [null, 5, {"code": {}}]}')).toBe(": ");
});

test("answers of registries that come together are not read in one turn", async () => {
  const waiting: Socket[] = [];
  answers.set(/together/, (socket) => void waiting.push(socket));
  using turn = new CountedTurns();
  const turns: number[] = [];
  const PULLS = 20;
  const pulls = Array.from({ length: PULLS }, async () => {
    const options = { headers: {}, clock: systemClock(), name: "x" };
    const { body } = await get(`http://${domain}/together`, options);
    for await (const _ of body);
    turns.push(turn.now);
  });
  await expect.poll(() => waiting.length).toBe(PULLS);
  const chunks = "1\r\na\r\n".repeat(9_000);
  for (const socket of waiting) {
    socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`);
  }
  await Promise.all(pulls);
  expect(mostInOneTurn(turns)).toBeLessThan(PULLS);
});

test("a digest is checked by its own algorithm", async () => {
  const { manifest } = serve();
  const store = await open();
  const options = { clock: systemClock(), endpoints: {} };
  const good = `${domain}/x@${digestOf(manifest, "sha512")}`;
  await pullImage(store, good, options);
  expect(store.get(good).repoDigests).toEqual([good]);
  const bad = `${domain}/x@${digestOf(Buffer.from("x"), "sha512")}`;
  await expect(pullImage(store, bad, options)).rejects.toThrow(/has digest sha512:/);
});

test("indexes within indexes end", async () => {
  let inner = Buffer.from("{}");
  for (let depth = 0; depth < 10; depth++) {
    const { os, architecture } = hostPlatform();
    const platform = { os, architecture };
    const content = inner;
    answers.set(new RegExp(`manifests/${digestOf(content)}`), whole(200, content));
    inner = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        manifests: [{ digest: digestOf(content), size: content.length, platform }],
      }),
    );
  }
  answers.set(/manifests\/1$/, whole(200, inner));
  await expect(pull()).rejects.toThrow(/more than 3 indexes within each other/);
});

test("content that says it is too large is not fetched", async () => {
  serve({
    manifest: {
      config: { mediaType: "x", digest: digestOf(Buffer.from("x")), size: IMAGE_CONFIG_BYTES + 1 },
    },
  });
  await expect(pull()).rejects.toThrow(/at most/);
  expect(asked.some((request) => request.includes("/blobs/"))).toBe(false);
});

test("a registry with a certificate of an unknown authority is sent no request", async () => {
  const now_ms = systemClock().now();
  const ca = await createCa({ commonName: "unknown", days: 1, now_ms });
  const subject = { commonName: "localhost", dnsNames: ["localhost"], usages: ["server" as const] };
  const pair = await issueCertificate(ca, { ...subject, days: 1 }, now_ms);
  const requests: string[] = [];
  const registry = createTlsServer(pair, (request, response) => {
    requests.push(request.url ?? "");
    response.end("{}");
  });
  registry.on("tlsClientError", () => undefined); // the refusal that is expected
  const port = await listening(registry);
  try {
    const endpoints = { [domain]: `https://localhost:${port}` };
    await expect(pull({ endpoints })).rejects.toThrow(/certificate/);
    answers.set(/manifests/, whole(302, "", `Location: https://localhost:${port}/v2/`));
    await expect(pull()).rejects.toThrow(/certificate/);
    expect(requests).toEqual([]);
  } finally {
    registry.close();
  }
});

test("names that no server answers hold up no look-up for another namespace's pods", async () => {
  const asked: string[] = [];
  const hung = Promise.withResolvers<LookupAddress[]>();
  const system = ((name: string) => {
    asked.push(name);
    const found = [{ address: "192.0.2.1", family: 4 }];
    return name.startsWith("hangs") ? hung.promise : Promise.resolve(found);
  }) as unknown as typeof lookup;
  let isOver = false;
  const find = (namespace: string, name: string) =>
    new Promise<string>((resolve) => {
      const options = { namespace, refuses: () => false, isOver: () => isOver };
      const done = (error: Error | null, address: string | LookupAddress[]) =>
        resolve(error?.message ?? String(address));
      lookupInTurn(options, system)(name, { all: false }, done);
    });
  const evil = [1, 2, 3].map((at) => find("evil", `hangs${at}`));
  expect(await find("shop", "registry")).toBe("192.0.2.1");
  expect(asked).toEqual(["hangs1", "registry"]);
  // The requests of the others have ended meanwhile: their names are not looked for.
  isOver = true;
  hung.reject(new Error("EAI_AGAIN"));
  expect(await evil[0]).toBe("EAI_AGAIN");
  await nextTurn();
  expect(asked).toHaveLength(2);
});
