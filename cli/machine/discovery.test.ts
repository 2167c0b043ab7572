import { writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { createServer as createPlainServer } from "node:http";
import { createServer } from "node:https";
import { join } from "node:path";
import { detachedSignature } from "@raft2kube/controllers/bootstrapsigner/plan.ts";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { INTERIM_ANSWERS_MAX } from "@raft2kube/streaming/limits.ts";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { stringify } from "yaml";
import { testFolder } from "../../testing/folders.ts";
import { listening } from "../../testing/listening.ts";
import { checkInfo, clusterInfo, discover } from "./discovery.ts";
import { caHash } from "./tokens.ts";

const token = "abcdef.0123456789abcdef";
const server = "https://10.0.0.1:6443";
const context = {
  clock: systemClock(),
  signal: new AbortController().signal,
  note: (line: string) => void notes.push(line),
};
const notes: string[] = [];
const newCa = () => createCa({ commonName: "kubernetes", days: 1, now_ms: Date.now() });
let ca: string;
let kubeconfig: string;

function kubeconfigOf(bundle: string): string {
  const data = Buffer.from(bundle).toString("base64");
  const cluster = { server, "certificate-authority-data": data };
  return stringify({ clusters: [{ name: "", cluster }] });
}

beforeAll(async () => {
  ({ cert: ca } = await newCa());
  kubeconfig = kubeconfigOf(ca);
});

const signatureOf = (content: string) =>
  detachedSignature(content, { id: "abcdef", secret: "0123456789abcdef" });
const info = (secret: string, id = "abcdef", content = kubeconfig) => ({
  metadata: {},
  data: { kubeconfig, [`jws-kubeconfig-${id}`]: detachedSignature(content, { id, secret }) },
});

test("what the token has signed, with a CA of the hash, is believed", () => {
  const found = checkInfo(info("0123456789abcdef"), token, ["sha256:00", caHash(ca)]);
  expect(found).toEqual({ server, ca });
});

test("of several CAs those alone are trusted whose hash is given", async () => {
  const { cert: foreign } = await newCa();
  const content = kubeconfigOf(`${ca}${foreign}`);
  const data = { kubeconfig: content, "jws-kubeconfig-abcdef": signatureOf(content) };
  expect(checkInfo({ metadata: {}, data }, token, [caHash(ca)]).ca).toBe(ca);
  const both = checkInfo({ metadata: {}, data }, token, [caHash(foreign), caHash(ca)]);
  expect(both.ca).toBe(`${ca}${foreign}`);
});

test.each([
  ["a token that is not known", () => info("0123456789abcdef", "zzzzzz"), /not known .* has ended/],
  ["a wrong secret", () => info("0000000000000000"), /secret is wrong/],
  ["changed content", () => info("0123456789abcdef", "abcdef", "other"), /secret is wrong/],
])("%s is refused", (_, make, says) => {
  expect(() => checkInfo(make(), token, [caHash(ca)])).toThrow(says);
});

test("another CA than that of the hash is refused, with the hash that it has", () => {
  expect(() => checkInfo(info("0123456789abcdef"), token, ["sha256:00"])).toThrow(caHash(ca));
});

test.each([
  ["no kubeconfig", "[]"],
  ["no YAML", "a: [}"],
  ["a cluster without fields", "clusters: [null]"],
  [
    "a server without TLS",
    'clusters: [{ cluster: { server: "http://a", ' + "certificate-authority-data: YQ== } }]",
  ],
])("a cluster-info that has %s is refused", (_, content) => {
  const data = { kubeconfig: content, "jws-kubeconfig-abcdef": signatureOf(content) };
  expect(() => checkInfo({ metadata: {}, data }, token, [])).toThrow(/names no/);
});

test("a file that names only a cluster, as kubeadm has it, is enough beside a token", async () => {
  const dir = testFolder("r2k-discovery-");
  const file = { kubeConfigPath: join(dir, "discovery.conf") };
  const section = {
    discovery: { file, tlsBootstrapToken: token },
    nodeRegistration: { taints: [] },
  };
  writeFileSync(file.kubeConfigPath, `${kubeconfig}contexts: []\nusers: []\n`);
  expect(await discover({ ...context, join: section })).toEqual({ server, ca, token });
  writeFileSync(file.kubeConfigPath, kubeconfig.replace("https://", "http://"));
  await expect(discover({ ...context, join: section })).rejects.toThrow("no server by https");
});

async function serve(
  answer: (response: ServerResponse) => void,
  ca?: KeyPair,
  now_ms = Date.now(),
): Promise<string> {
  const pair = await issueCertificate(
    ca ?? (await newCa()),
    { commonName: "server", ipAddresses: ["127.0.0.1"], usages: ["server"], days: 1 },
    now_ms,
  );
  const server = createServer(pair, (_, response) => answer(response));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return String(await listening(server));
}

/** Asks a port of this host. */
const ask = (
  port: string,
  { host = "127.0.0.1", ...ca }: { host?: string; ca?: string } = {},
  timeout_ms?: number,
) => clusterInfo({ server: `https://${host}:${port}`, ...ca }, context, timeout_ms);

/** Joins by the token at a port of this host. */
const joinAt = (port: string, more: object, signal = context.signal) => {
  const bootstrapToken = { token, apiServerEndpoint: `127.0.0.1:${port}`, ...more };
  const section = { discovery: { bootstrapToken }, nodeRegistration: { taints: [] } };
  return discover({ ...context, join: section, signal });
};

test("the text of a server that refuses makes no line of its own, and is cut", async () => {
  const message = `no\nThis node has joined the cluster${"x".repeat(10_000)}`;
  const status = JSON.stringify({ kind: "Status", message });
  const port = await serve((response) => void response.writeHead(403).end(status));
  const asked = ask(port);
  await expect(asked).rejects.toThrow(
    /^discovery: .* no This node has joined the clusterx{1,500}$/,
  );
});

test("an answer that breaks off is a failure", async () => {
  const port = await serve((response) => {
    response.writeHead(200, { "content-length": 100 });
    response.write("{", () => response.socket?.destroy());
  });
  await expect(ask(port)).rejects.toMatchObject({ code: "UNREACHED" });
});

test.each(["null", "[]", '{"data":"x"}', '{"data":{"kubeconfig":1}}'])(
  "an answer of another form is refused: %s",
  async (body) => {
    const port = await serve((response) => void response.end(body));
    const asked = ask(port);
    await expect(asked).rejects.toMatchObject({ code: "DISCOVERY" });
  },
);

test.each([
  ["HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "protocols"],
  ["HTTP/1.1 103 Early Hints\r\n\r\n".repeat(INTERIM_ANSWERS_MAX + 1), "interim answers"],
])(
  "an answer of another protocol, or one put off again and again, is refused",
  async (head, why) => {
    const port = await serve((response) => void response.socket?.write(head));
    await expect(ask(port)).rejects.toThrow(why);
  },
);

test("an answer that comes byte by byte ends with the time for all of it", async () => {
  const port = await serve((response) => {
    const drip = setInterval(() => response.write(" "), 5);
    response.on("close", () => clearInterval(drip));
  });
  const asked = ask(port, {}, 300);
  await expect(asked).rejects.toThrow("no answer within 300 ms");
});

test("a server is asked again after no answer, a busy one, and one not signed yet", async () => {
  const own = await newCa();
  const kubeconfig = kubeconfigOf(own.cert);
  const signature = { "jws-kubeconfig-abcdef": signatureOf(kubeconfig) };
  const answers = ["none", "busy", "unsigned", "signed", "none", "busy", "signed"];
  let asked = 0;
  const port = await serve((response) => {
    const answer = answers[asked++];
    if (answer === "none") return response.socket?.destroy();
    if (answer === "busy") response.statusCode = 503;
    const data = { kubeconfig, ...(answer === "signed" && signature) };
    response.end(JSON.stringify({ metadata: {}, data }));
  }, own);
  const found = await joinAt(port, { caCertHashes: [caHash(own.cert)] });
  expect(found).toMatchObject({ ca: own.cert, token });
  expect(asked).toBe(answers.length);
  expect(notes.filter((line) => line.includes("trying again"))).toHaveLength(4);
});

test("Ctrl-C ends the attempts", async () => {
  const interrupt = new AbortController();
  const port = await serve((response) => {
    interrupt.abort(new Error("interrupted"));
    response.socket?.destroy();
  });
  const joining = joinAt(port, { unsafeSkipCAVerification: true }, interrupt.signal);
  await expect(joining).rejects.toThrow("interrupted");
});

test("one in between that relays a true cluster-info is refused by its certificate", async () => {
  const port = await serve((response) => response.end(JSON.stringify(info("0123456789abcdef"))));
  const joining = joinAt(port, { caCertHashes: [caHash(ca)] });
  await expect(joining).rejects.toThrow("another machine answers in its place");
});

test("a name that the certificate lacks, and a port without TLS, are not asked for again", async () => {
  const own = await newCa();
  const port = await serve((response) => response.end("{}"), own);
  await expect(ask(port, { ca: own.cert, host: "localhost" })).rejects.toMatchObject({
    code: "DISCOVERY",
    remedy: expect.stringContaining("certSANs") as string,
  });
  const plain = createPlainServer((_, response) => response.end("{}"));
  onTestFinished(() => void plain.close());
  const other = String(await listening(plain));
  await expect(ask(other)).rejects.toMatchObject({ code: "DISCOVERY" });
});

test("a certificate of a later time is refused by the clocks", async () => {
  const own = await newCa();
  const hour_ms = 3_600_000;
  const port = await serve((response) => response.end("{}"), own, Date.now() + hour_ms);
  await expect(ask(port, { ca: own.cert })).rejects.toMatchObject({
    message: expect.stringContaining("not valid at this machine's time") as string,
    remedy: expect.stringContaining("set the clocks of both machines") as string,
  });
});
