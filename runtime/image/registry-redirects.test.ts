// In a process of its own: it adds an authority to those that the process trusts.
import { once } from "node:events";
import { mkdtempDisposable } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { connect, getCACertificates, setDefaultCACertificates } from "node:tls";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { listening } from "../../testing/listening.ts";
import { buildImage } from "../build/image-builder.ts";
import { pushImage } from "./push.ts";
import { parseReference } from "./reference.ts";
import { checkLogin, RegistryRepository } from "./registry.ts";
import { ImageStore } from "./store.ts";

const USER = { username: "u", password: "secret" };
const BASIC = `Basic ${Buffer.from("u:secret").toString("base64")}`;

/** The registry, over TLS; another server over TLS; one without. Each notes what it is asked. */
const names = ["registry", "other", "plain"] as const;
type Name = (typeof names)[number];
const servers: Server[] = [];
let pair: KeyPair;
const at = {} as Record<Name, string>;
/** The `Authorization` of each request. */
let asked: Record<Name, (string | undefined)[]>;
let answers: Partial<Record<Name, RequestListener>>;

beforeAll(async () => {
  const now_ms = systemClock().now();
  const ca = await createCa({ commonName: "trusted", days: 1, now_ms });
  setDefaultCACertificates([...getCACertificates("default"), ca.cert]);
  const wanted = { commonName: "r", dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"], days: 1 };
  pair = await issueCertificate(ca, { ...wanted, usages: ["server"] }, now_ms);
  for (const name of names) {
    const listener: RequestListener = (request, response) => {
      asked[name].push(request.headers.authorization);
      answers[name]?.(request, response);
    };
    const server = name === "plain" ? createServer(listener) : createTlsServer(pair, listener);
    const port = await listening(server);
    servers.push(server);
    at[name] = `${name === "plain" ? "http" : "https"}://localhost:${port}`;
  }
});
afterAll(() => {
  for (const server of servers) server.close();
});
beforeEach(() => {
  asked = { registry: [], other: [], plain: [] };
  answers = { other: says(200, "content"), plain: says(200, '{"token":"t"}') };
});

const says =
  (status: number, body = "", headers = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end(body);
const redirectTo = (location: string) => says(307, "", { location });
const challenge = (realm: string) =>
  says(401, "", { "www-authenticate": `Bearer realm="${realm}"` });
const secretsSentTo = (name: Name) => asked[name].filter((sent) => sent !== undefined);

function repository(auth: object = USER): RegistryRepository {
  const reference = parseReference("registry.example/x:1");
  const endpoints = { "registry.example": at.registry };
  return new RegistryRepository(reference, { auth, endpoints, clock: systemClock() });
}

const BLOB = { digest: `sha256:${"0".repeat(64)}`, size: 1 };
const UNENCRYPTED: readonly [string, () => string][] = [
  ["a server", () => at.plain],
  ["a metadata address", () => "http://169.254.169.254/latest/meta-data/"],
];
const calls: readonly [string, (from?: RegistryRepository) => Promise<unknown>][] = [
  ["a manifest", (from = repository()) => from.manifest("1")],
  ["a blob", (from = repository()) => from.blob(BLOB)],
];

test("credentials go to the registry and to its token server", async () => {
  answers.other = says(200, '{"token":"t"}');
  answers.registry = (request, response) => {
    const known = request.headers.authorization === "Bearer t";
    (known ? says(200, "content") : challenge(`${at.other}/token`))(request, response);
  };
  expect((await repository().manifest("1")).bytes.toString()).toBe("content");
  expect(asked.other).toEqual([BASIC]);
});

describe.each(calls)("%s that a registry over TLS redirects", (_name, call) => {
  test.each(UNENCRYPTED)("to %s without TLS", async (_, where) => {
    answers.registry = redirectTo(where());
    await expect(call()).rejects.toThrow(/redirects to what cannot be followed/);
    expect(asked.plain).toEqual([]);
  });

  test("by way of another to one without TLS", async () => {
    answers.registry = redirectTo(at.other);
    answers.other = redirectTo(at.plain);
    await expect(call()).rejects.toThrow(/redirects to what cannot be followed/);
    expect(asked.plain).toEqual([]);
  });

  test("to another server, and that one back: credentials stay behind", async () => {
    answers.registry = challenge(`${at.other}/token`);
    const tokens = repository({ registryToken: "early" });
    await expect(tokens.manifest("1")).rejects.toMatchObject({ code: "permission-denied" });
    expect(secretsSentTo("registry").length).toBe(1);
    asked.registry = [];
    answers.registry = (request, response) => {
      (asked.registry.length > 1 ? says(200) : redirectTo(at.other))(request, response);
    };
    answers.other = redirectTo(`${at.registry}/again`);
    await call(tokens);
    expect(secretsSentTo("other")).toEqual([]);
    expect(asked.registry).toEqual(["Bearer early", undefined]);
  });

  test.each(["registry", "other"] as const)(
    "to another server that asks for credentials for the token server of the %s",
    async (name) => {
      answers.registry = redirectTo(`${at.other}/blobs`);
      answers.other = challenge(`${at[name]}/token`);
      await expect(call()).rejects.toMatchObject({ code: "permission-denied" });
      answers.other = says(401, "", { "www-authenticate": "Basic" });
      await expect(call()).rejects.toMatchObject({ code: "permission-denied" });
      expect([...secretsSentTo("other"), ...secretsSentTo("registry")]).toEqual([]);
    },
  );
});

describe("a token server over TLS that redirects", () => {
  beforeEach(() => {
    answers.registry = (request, response) => {
      const first = request.url!.startsWith("/v2/");
      (first ? challenge(`${at.registry}/token`) : redirectTo(where))(request, response);
    };
  });
  let where = "";

  test.each(UNENCRYPTED)("to %s without TLS", async (_, target) => {
    where = target();
    await expect(repository().manifest("1")).rejects.toThrow(/cannot be followed/);
    expect(asked.plain).toEqual([]);
  });

  test("to another server: user and password stay behind", async () => {
    where = at.other;
    answers.other = says(200, '{"token":"t"}');
    await expect(repository().manifest("1")).rejects.toMatchObject({ code: "permission-denied" });
    expect(asked.other.length).toBe(1);
    expect(secretsSentTo("other")).toEqual([]);
  });
});

test("a registry that speaks TLS 1.1 alone is sent no request", async () => {
  const requests: unknown[] = [];
  const old = createTlsServer(
    { ...pair, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0" },
    (request) => void requests.push(request.url),
  );
  old.on("tlsClientError", () => undefined); // the refusal that is expected
  const port = await listening(old);
  try {
    answers.registry = redirectTo(`https://localhost:${port}/`);
    await expect(repository().manifest("1")).rejects.toThrow(/cannot reach.*(version|protocol)/i);
    expect(requests).toEqual([]);
    // The server is well: a client that goes so low is answered.
    const low = { minVersion: "TLSv1", ciphers: "DEFAULT:@SECLEVEL=0" } as const;
    const socket = connect({ port, host: "localhost", ...low });
    await once(socket, "secureConnect");
    socket.destroy();
  } finally {
    old.close();
  }
});

test("a redirect's target is read by the pull alone", async () => {
  answers.registry = redirectTo(at.other);
  expect((await buffer(await repository().blob(BLOB))).toString()).toBe("content");
});

const pushOptions = () => {
  const endpoints = { "registry.example": at.registry };
  return { auth: USER, endpoints, clock: systemClock(), progress: () => undefined };
};

test("a login that leads to another server sends it nothing", async () => {
  answers.registry = redirectTo(`${at.other}/v2/`);
  answers.other = challenge(`${at.other}/token`);
  await expect(checkLogin("registry.example", pushOptions())).rejects.toThrow("redirects a login");
  expect(secretsSentTo("other")).toEqual([]);
});

test("an upload at another server that asks for credentials gets none", async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), "r2k-push-"));
  const store = new ImageStore(path.join(folder.path, "images"), () => []);
  await store.open();
  const entries = [{ name: "f", content: "x" }];
  await buildImage(store, { name: "registry.example/x:1", entries, config: {} });
  answers.registry = (request, response) => {
    const begins = request.method === "POST";
    (begins ? says(202, "", { location: `${at.other}/up` }) : says(404))(request, response);
  };
  answers.other = challenge(`${at.other}/token`);
  await expect(pushImage(store, "registry.example/x:1", pushOptions())).rejects.toThrow("401");
  expect(asked.other.length).toBeGreaterThan(0);
  expect(secretsSentTo("other")).toEqual([]);
});
