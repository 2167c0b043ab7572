import { execFileSync } from "node:child_process";
import { setMaxListeners } from "node:events";
import type { ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import { KINDS } from "@raft2kube/api/kinds.ts";
import { validateCaBundle } from "@raft2kube/apiextensions/definition/names.ts";
import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { asError } from "@raft2kube/std/errors.ts";
import { systemRandom } from "@raft2kube/std/random.ts";
import { TimedTurns } from "@raft2kube/std/turns.ts";
import { streamTurns } from "@raft2kube/streaming/paced.ts";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { startEtcd } from "../../testing/apiserver/etcd-server.ts";
import { WebhookServer } from "../../testing/apiserver/webhook-server.ts";
import { waitFor } from "../../testing/wait.ts";
import {
  ANSWER_PIECES_MAX,
  ANSWER_QUICK_BYTES,
  ANSWER_VALUES_MAX,
  SHARE,
  WEBHOOK_ANSWER_BYTES_MAX,
  WEBHOOK_ANSWERS_BYTES_MAX,
  WEBHOOK_CALLS_OF_USER_MAX,
  WEBHOOK_CONNECTIONS_MAX,
} from "../limits.ts";
import { Resources } from "../resource/resources.ts";
import { WebhookClient } from "./client.ts";
import { Connections, type WebhookTarget } from "./connections.ts";
import { serviceEndpoints } from "./services.ts";

const clock = systemClock();
let etcd: Awaited<ReturnType<typeof startEtcd>>;
let resources: Resources;
let connections: Connections;
let client: WebhookClient;
let server: WebhookServer;

const ok = { yes: true };

beforeAll(async () => {
  etcd = await startEtcd();
  resources = new Resources(KINDS, etcd.client, clock);
  connections = new Connections(serviceEndpoints(resources, systemRandom));
  client = new WebhookClient(connections, clock);
  server = await WebhookServer.start(() => undefined);
});

afterAll(async () => {
  connections.close();
  await server.close();
  await resources.close();
  await etcd.close();
});

beforeEach(() => {
  server.answers = (_, response) => void response.end(JSON.stringify(ok));
});

const target = (more: Partial<WebhookTarget> = {}): WebhookTarget => ({
  url: `${server.url}/hook`,
  caBundle: server.caBundle,
  ...more,
});
const post = (to: WebhookTarget, timeout_ms = 10_000) =>
  client.post(to, Buffer.from("{}"), { timeout_ms });
const failed = (why: string, path = "/hook?timeout=10s") => `Post "${server.url}${path}": ${why}`;

it("posts JSON with the timeout in the query, and nothing that identifies a client", async () => {
  expect(await client.post(target(), Buffer.from(`{"a":1}`), { timeout_ms: 1_500 })).toEqual(ok);
  const called = server.calls.at(-1)!;
  expect([called.path, called.body]).toEqual(["/hook?timeout=2s", `{"a":1}`]);
  expect(Object.keys(called.headers).sort()).toEqual([
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "user-agent",
  ]);
});

it("uses a connection again, and bounds those that are open", async () => {
  const turns = vi.spyOn(streamTurns, "receive");
  await post(target());
  // A record of TLS may have one byte: what a server sends takes turns with others'.
  expect(turns).toHaveBeenCalled();
  turns.mockRestore();
  const before = server.connections;
  for (let i = 0; i < 5; i++) await post(target());
  expect(server.connections - before).toBe(0);
  await Promise.all(Array.from({ length: 3 * WEBHOOK_CONNECTIONS_MAX }, () => post(target())));
  expect(server.connections - before).toBeLessThanOrEqual(WEBHOOK_CONNECTIONS_MAX);
});

it("a connection that the server closed meanwhile is replaced", async () => {
  await post(target());
  server.answers = (_, response) => {
    server.answers = (_again, second) => void second.end(JSON.stringify(ok));
    response.socket!.destroy();
  };
  expect(await post(target())).toEqual(ok);
});

it("trusts the bundle alone, and without one the host's roots", async () => {
  const other = await WebhookServer.start(() => undefined);
  const unknown = failed(
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
  );
  await expect(post(target({ caBundle: other.caBundle }))).rejects.toThrow(unknown);
  const { caBundle: _none, ...bare } = target();
  await expect(post(bare)).rejects.toThrow(unknown);
  await other.close();
  await expect(post(target({ caBundle: "bm8=" }))).rejects.toThrow(unknown);
  expect(await post({ ...bare, insecure: true })).toEqual(ok);
});

it("takes a certificate that has the name of its CA, of that CA and for its name alone", async () => {
  const alike = { caName: "webhook" };
  const answers = (_: unknown, response: ServerResponse) => void response.end(JSON.stringify(ok));
  const [own, other] = [
    await WebhookServer.start(answers, alike),
    await WebhookServer.start(answers, alike),
  ];
  expect(await post({ url: own.url, caBundle: own.caBundle })).toEqual(ok);
  const foreign = { url: own.url, caBundle: other.caBundle };
  const forged = await WebhookServer.start(answers, { ...alike, forged: true });
  for (const each of [foreign, { url: forged.url, caBundle: forged.caBundle }]) {
    await expect(post(each)).rejects.toThrow("signed by unknown authority");
  }
  await forged.close();
  const url = `https://localhost:${own.port}`;
  const misnamed = post({ url, caBundle: own.caBundle });
  await expect(misnamed).rejects.toThrow("is valid for 127.0.0.1, not localhost");
  expect(own.calls).toHaveLength(1);
  await own.close();
  await other.close();
});

it("refuses a bundle with a curve that is written out before it parses it", async () => {
  const options = ["ec_paramgen_curve:P-256", "ec_param_enc:explicit"];
  const key = ["-newkey", "ec", ...options.flatMap((each) => ["-pkeyopt", each])];
  const made = ["req", "-x509", ...key, "-nodes", "-subj", "/CN=x", "-keyout", "/dev/null"];
  const pem = execFileSync("openssl", made, { stdio: ["ignore", "pipe", "ignore"] });
  const caBundle = pem.toString("base64");
  const why = "the curve of a key is written out: name one";
  await expect(post(target({ caBundle }))).rejects.toThrow(
    `unable to load root certificates: a certificate: ${why}`,
  );
  expect(validateCaBundle(caBundle, "caBundle")[0]?.detail).toContain(why);
});

it("refuses a certificate for another name", async () => {
  const url = `https://localhost:${server.port}/hook`;
  await expect(post(target({ url }))).rejects.toThrow(
    "x509: certificate is valid for 127.0.0.1, not localhost",
  );
});

it("a server's new certificate and its new bundle need no restart", async () => {
  const own = await WebhookServer.start((_, response) => void response.end("{}"));
  const old = { url: own.url, caBundle: own.caBundle };
  await post(old);
  const caBundle = await own.renew("127.0.0.1");
  await waitFor("the old bundle to fail", () =>
    post(old).then(
      () => false,
      () => true,
    ),
  );
  expect(await post({ ...old, caBundle })).toEqual({});
  await own.close();
});

it("ends a call that hangs before, in and after the headers", async () => {
  server.answers = () => undefined;
  const late = failed("context deadline exceeded", "/hook?timeout=1s");
  await expect(post(target(), 50)).rejects.toThrow(late);
  server.answers = (_, response) => void response.write("{");
  await expect(post(target(), 50)).rejects.toThrow(late);
  const mute = createServer(() => undefined);
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${(mute.address() as AddressInfo).port}`;
  await expect(post({ url }, 50)).rejects.toThrow("context deadline exceeded");
  mute.close();
});

it("has two handshakes under way, and the next when one ends", async () => {
  const open = new Set<Socket>();
  let [accepted, most] = [0, 0];
  const tcp = createServer((socket) => {
    open.add(socket.on("close", () => open.delete(socket)));
    accepted++;
    most = Math.max(most, open.size);
  });
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  const handshakes = new TimedTurns(new ManualClock(), { places: 2, turn_ms: 1 });
  const resolve = () => Promise.reject(new Error("no service"));
  const paced = new Connections({ resolve }, { handshakes });
  const url = `https://127.0.0.1:${(tcp.address() as AddressInfo).port}`;
  const poster = new WebhookClient(paced, clock);
  const posts = Array.from({ length: 6 }, () => {
    return poster.post({ url }, Buffer.from("{}"), { timeout_ms: 60_000 }).catch(asError);
  });
  for (const count of [2, 4, 6]) {
    await waitFor("two connections", () => accepted >= count && open.size >= 2);
    for (const socket of open) socket.destroy();
  }
  await Promise.all(posts);
  expect(most).toBe(2);
  paced.close();
  tcp.close();
});

it("fails a call whose connection cannot even be tried", async () => {
  const resolve = () => Promise.resolve({ host: "127.0.0.1", port: 70_000 });
  const impossible = new Connections({ resolve });
  const poster = new WebhookClient(impossible, clock);
  const service = { namespace: "default", name: "hook" };
  const posted = poster.post({ service }, Buffer.from("{}"), { timeout_ms: 60_000 });
  await expect(posted).rejects.toThrow("70000");
  impossible.close();
});

it("ends a call when its request is over", async () => {
  const aborting = new AbortController();
  server.answers = () => aborting.abort();
  const options = { timeout_ms: 10_000, signal: aborting.signal };
  await expect(client.post(target(), Buffer.from("{}"), options)).rejects.toThrow(
    failed("context canceled"),
  );
  await expect(client.post(target(), Buffer.from("{}"), options)).rejects.toThrow(
    failed("context canceled"),
  );
});

it.each([
  ["a user", { name: "busy" }],
  ["conversions", undefined],
])(
  "calls of one server take turns of its connections, in rotation, and none fails: %s",
  async (_, busy) => {
    server.answers = ({ path }, response) => {
      if (path.startsWith("/next")) response.end("{}");
    };
    const aborting = new AbortController();
    setMaxListeners(0, aborting.signal);
    const other = { name: "other" };
    const hang = (signal: AbortSignal) =>
      expect(
        client.post(target(), Buffer.from("{}"), { timeout_ms: 10_000, signal }, busy),
      ).rejects.toThrow("context canceled");
    const first = new AbortController();
    const hung = Array.from({ length: WEBHOOK_CALLS_OF_USER_MAX }, (_, place) =>
      hang(place < 4 ? first.signal : aborting.signal),
    );
    // Too many are refused, which is no failure of a webhook that a policy may ignore.
    await expect(
      client.post(target(), Buffer.from("{}"), { timeout_ms: 10_000 }, busy),
    ).rejects.toMatchObject({ http: 429 });
    const elsewhere = await WebhookServer.start((_, response) => void response.end("{}"));
    expect(await post({ url: elsewhere.url, caBundle: elsewhere.caBundle })).toEqual({});
    await elsewhere.close();
    const next = Array.from({ length: 2 }, () =>
      client.post(
        target({ url: `${server.url}/next` }),
        Buffer.from("{}"),
        { timeout_ms: 10_000 },
        other,
      ),
    );
    first.abort();
    expect(await Promise.all(next)).toEqual([{}, {}]);
    aborting.abort();
    await Promise.all(hung);
  },
);

it("measures the time by its clock", async () => {
  const manual = new ManualClock();
  const timed = new WebhookClient(connections, manual);
  server.answers = () => manual.advance(5_000);
  await expect(timed.post(target(), Buffer.from("{}"), { timeout_ms: 5_000 })).rejects.toThrow(
    "context deadline exceeded",
  );
});

it("stops reading an answer that is too large", async () => {
  let sent_bytes = 0;
  server.answers = (_, response) => {
    const part = Buffer.alloc(1024 * 1024, 0x20);
    const more = () => {
      if (sent_bytes >= 100 * part.length) return void response.end();
      sent_bytes += part.length;
      response.write(part, (broken) => broken || more());
    };
    more();
  };
  await expect(post(target())).rejects.toThrow(
    failed(`the answer has more than ${WEBHOOK_ANSWER_BYTES_MAX} bytes`),
  );
  expect(sent_bytes).toBeLessThan(100 * 1024 * 1024);
});

it("parses no answer of more values than there may be, whose bytes are few", async () => {
  const count = ANSWER_VALUES_MAX / 2;
  server.answers = (_, response) => void response.end(`[${"{},".repeat(count)}{}]`);
  await expect(post(target())).rejects.toThrow(`more than ${ANSWER_VALUES_MAX} values`);
  const text = `[{\\"`.repeat(10);
  server.answers = (_, response) => void response.end(`{"a":"${text}","b":["[{,:"]}`);
  const options = { timeout_ms: 10_000, values_max: 5 };
  await expect(client.post(target(), Buffer.from("{}"), options)).resolves.toBeDefined();
  await expect(
    client.post(target(), Buffer.from("{}"), { ...options, values_max: 4 }),
  ).rejects.toThrow("more than 4 values");
});

it("takes one answer that is not quick in a turn of the event loop", async () => {
  const large = `"${"x".repeat(ANSWER_QUICK_BYTES)}"`;
  const responses: ServerResponse[] = [];
  server.answers = (_, response) => void responses.push(response);
  let turns = 0;
  const counting = () => void (turns++, (timer = setImmediate(counting)));
  let timer = setImmediate(counting);
  const seen: number[] = [];
  const all = Array.from({ length: 8 }, () =>
    post(target()).then(() => {
      seen.push(turns);
      // Work that ends a turn of divisible work, and of input only after several answers.
      const until_ms = clock.monotonic() + 1;
      while (clock.monotonic() < until_ms);
    }),
  );
  await waitFor("all calls", () => responses.length === all.length);
  for (const response of responses) response.end(large);
  await Promise.all(all);
  clearImmediate(timer);
  expect(new Set(seen).size).toBe(all.length);
});

it("long answers under way are bounded for each user; short ones are answered", async () => {
  const begun: ServerResponse[] = [];
  server.answers = (_, response) => {
    response.write(" ".repeat(WEBHOOK_ANSWER_BYTES_MAX / 2));
    begun.push(response);
  };
  const ask = (name: string) =>
    client.post(target(), Buffer.from("{}"), { timeout_ms: 60_000 }, { name });
  const most = (WEBHOOK_ANSWERS_BYTES_MAX * SHARE) / (WEBHOOK_ANSWER_BYTES_MAX / 2);
  const long = Array.from({ length: 2 * most }, () => ask("a"));
  const others = ask("b");
  await expect(Promise.race(long)).rejects.toMatchObject(tooMany());
  await waitFor("all calls", () => begun.length === long.length + 1);
  server.answers = (_, response) => void response.end(JSON.stringify(ok));
  expect(await ask("a")).toEqual(ok);
  for (const response of begun) response.end("{}");
  expect(await others).toEqual({});
  const answered = (await Promise.allSettled(long)).filter(({ status }) => status === "fulfilled");
  expect(answered.length).toBeGreaterThan(0);
  expect(answered.length).toBeLessThanOrEqual(most);
});

it("stops reading an answer of many pieces, or interim ones", async () => {
  server.answers = (_, response) => {
    response.writeHead(200, { "transfer-encoding": "chunked" }).flushHeaders();
    response.socket!.write("1\r\n \r\n".repeat(ANSWER_PIECES_MAX + 1) + "2\r\n{}\r\n0\r\n\r\n");
  };
  await expect(post(target())).rejects.toThrow(`in more than ${ANSWER_PIECES_MAX} pieces`);
  server.answers = (_, response) => {
    for (let i = 0; i < 100; i++) response.writeProcessing();
    response.end("{}");
  };
  await expect(post(target())).rejects.toThrow("interim answers");
});

it.each([
  [302, "the webhook answered with a redirect (302), which is not followed"],
  [404, "the server could not find the requested resource"],
  [500, `an error on the server ("why") has prevented the request from succeeding`],
])("an answer with %d is a failure", async (status, message) => {
  server.answers = (_, response) => {
    response.writeHead(status, { location: `${server.url}/elsewhere` });
    response.end("why\n");
  };
  const before = server.calls.length;
  await expect(post(target())).rejects.toMatchObject({ message, http: status });
  expect(server.calls.length - before).toBe(1);
});

it("garbage is a failure", async () => {
  server.answers = (_, response) => void response.end("garbage");
  await expect(post(target())).rejects.toThrow(
    "couldn't get version/kind; json parse error: invalid character 'g' looking for beginning",
  );
});

it("says why there is no connection", async () => {
  const gone = await WebhookServer.start(() => undefined);
  const { url, port } = gone;
  await gone.close();
  await expect(post({ url })).rejects.toThrow(
    `Post "${url}/?timeout=10s": dial tcp 127.0.0.1:${port}: connect: connection refused`,
  );
  await expect(post({ url: "https://nowhere.invalid/x" })).rejects.toThrow(
    "dial tcp: lookup nowhere.invalid: no such host",
  );
});
