import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { once } from "node:events";
import { readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { connect as connectPlain } from "node:net";
import { join } from "node:path";
import { connect, createSecureContext } from "node:tls";
import * as x509 from "@peculiar/x509";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { type Store, startStore } from "@raft2kube/store/main.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { freePort } from "../../testing/free-port.ts";
import { waitFor } from "../../testing/wait.ts";
import { parseGoFlags } from "./go-flags.ts";
import { storeOptions } from "./options.ts";
import { selfSign } from "./self-sign.ts";
import { settingsOf } from "./server.ts";
import { TlsFiles } from "./tls-files.ts";

const days = 1;
const now_ms = Date.now();
const clock = systemClock();
let folder: string;
let ca: KeyPair;
let stores: Store[];
beforeEach(async () => {
  folder = testFolder("r2k-tls-");
  ca = await createCa({ commonName: "ca", days, now_ms });
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
});

function issue(commonName: string): Promise<KeyPair> {
  const names = { commonName, ipAddresses: ["127.0.0.1"], dnsNames: [commonName] };
  return issueCertificate(ca, { ...names, days, usages: ["server", "client"] }, now_ms);
}

/** Replaces a file as tools that rotate certificates do: by a rename. */
function place(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
  return path;
}

async function start(...words: string[]): Promise<number> {
  const server = await issue("first");
  const all = [
    `--data-dir=${folder}/data`,
    "--listen-client-urls=https://127.0.0.1:0",
    `--cert-file=${place("cert.pem", server.cert)}`,
    `--key-file=${place("key.pem", server.key)}`,
    ...words,
  ];
  return Number((await startWith(all)).address!.split(":")[1]);
}

async function startWith(words: readonly string[]): Promise<Store> {
  const { settings } = settingsOf(parseGoFlags(words), {});
  await selfSign(settings);
  const store = await startStore(storeOptions(settings));
  stores.push(store);
  return store;
}

/** Returns the result for a TLS client: the server's name, or its error. */
function handshake(port: number, own: object = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, ca: ca.cert, ...own }, () => {
      const { CN } = socket.getPeerCertificate().subject;
      // With TLS 1.3 the client learns only after the handshake that its certificate is rejected.
      socket.write("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
      socket.once("data", () => resolve(`${String(CN)} ${String(socket.getProtocol())}`));
      socket.once("close", () => resolve("closed"));
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(`refused ${error.code}`));
  });
}

test("new certificates serve new connections without a restart, half of them not", async () => {
  const port = await start();
  expect(await handshake(port)).toContain("first");
  const second = await issue("second");
  place("cert.pem", second.cert);
  expect(await handshake(port)).toContain("first");
  place("key.pem", second.key);
  const seen = () => handshake(port);
  await waitFor("the second certificate", async () => (await seen()).includes("second"));
});

test("a CA for clients demands a certificate that it signed", async () => {
  const port = await start(`--trusted-ca-file=${place("ca.pem", ca.cert)}`, "--client-cert-auth");
  const other = await createCa({ commonName: "other", days, now_ms });
  const unknown = { commonName: "x", days, usages: ["client"] as const };
  const stranger = await issueCertificate(other, unknown, now_ms);
  expect(await handshake(port)).toMatch(/refused|closed/);
  expect(await handshake(port, stranger)).toMatch(/refused|closed/);
  expect(await handshake(port, await issue("client"))).toContain("first");
});

test("of verified clients only those with an allowed name are taken", async () => {
  const trusted = `--trusted-ca-file=${place("ca.pem", ca.cert)}`;
  const port = await start(trusted, "--client-cert-allowed-hostname=good.example,other.example");
  expect(await handshake(port, await issue("good.example"))).toContain("first");
  expect(await handshake(port, await issue("bad.example"))).toMatch(/refused|closed/);
});

test("versions and suites are as they were asked for", async () => {
  const strict = await start("--tls-min-version=TLS1.3");
  expect(await handshake(strict, { maxVersion: "TLSv1.2" })).toContain("refused");
  expect(await handshake(strict)).toBe("first TLSv1.3");
  const suites = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
  const apart = [`--wal-dir=${folder}/wal`, `--data-dir=${folder}/second`];
  const chosen = await start(`--cipher-suites=${suites}`, "--tls-max-version=TLS1.2", ...apart);
  const ciphers = (name: string) => ({ ciphers: name });
  expect(await handshake(chosen, ciphers("ECDHE-ECDSA-AES128-GCM-SHA256"))).toContain("refused");
  expect(await handshake(chosen, ciphers("ECDHE-ECDSA-AES256-GCM-SHA384"))).toBe("first TLSv1.2");
});

test("one address takes http and https, gRPC and HTTP over both", async () => {
  const port = await freePort();
  await start(`--listen-client-urls=https://127.0.0.1:${port},http://127.0.0.1:${port}`);
  expect(await handshake(port)).toContain("first");
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
  for (const endpoint of [`http://127.0.0.1:${port}`, `https://127.0.0.1:${port}`]) {
    const client = connectEtcd({ endpoints: [endpoint], tls: { ca: ca.cert } });
    expect((await client.status()).version).toBe("3.6.5");
    await client.close();
  }
  // Neither a handshake nor a request: given up, and no harm to others.
  const silent = connectPlain(port, "127.0.0.1").on("error", () => undefined);
  await once(silent, "connect");
  expect(await handshake(port)).toContain("first");
  silent.destroy();
});

test("an address for HTTP alone does not offer HTTP/2", async () => {
  await start("--listen-client-http-urls=https://127.0.0.1:0");
  const port = Number(stores[0]!.httpAddresses[0]!.split(":")[1]);
  const ALPNProtocols = ["h2", "http/1.1"];
  const socket = connect({ host: "127.0.0.1", port, ca: ca.cert, ALPNProtocols });
  await once(socket, "secureConnect");
  expect(socket.alpnProtocol).toBe("http/1.1");
  socket.destroy();
});

test("a revocation list may be in DER, as openssl and etcd's tests have it", async () => {
  const [root, revoked] = [join(folder, "ca.pem"), join(folder, "revoked.der")];
  place("ca.pem", ca.cert);
  writeFileSync(revoked, await emptyRevocationList());
  const files = new TlsFiles({ ca: root, crl: revoked }, clock);
  expect(files.text("crl")).toMatch(/^-----BEGIN X509 CRL-----\n[^-]+-----END X509 CRL-----\n$/);
  createSecureContext({ ca: files.text("ca"), crl: files.text("crl") });
});

async function emptyRevocationList(): Promise<Buffer> {
  x509.cryptoProvider.set(webcrypto as never);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const list = await x509.X509CrlGenerator.create({
    issuer: "CN=ca",
    signingAlgorithm: algorithm,
    signingKey: keys.privateKey as never,
    entries: [],
  });
  return Buffer.from(list.rawData);
}

test("--auto-tls makes a certificate as etcd's, and keeps it for the next start", async () => {
  const words = [
    `--data-dir=${folder}/data`,
    "--listen-client-urls=https://127.0.0.1:0,https://localhost:0",
    "--auto-tls",
    "--self-signed-cert-validity=3",
  ];
  const seen = async () => {
    const { address, close } = await startWith(words);
    const socket = connect({ port: Number(address!.split(":")[1]), rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const certificate = socket.getPeerX509Certificate()!;
    socket.destroy();
    await close();
    stores.pop();
    return certificate;
  };
  const first = await seen();
  expect(first.subject).toBe("O=etcd");
  expect(first.subjectAltName).toBe("DNS:localhost, IP Address:127.0.0.1");
  expect(first.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  expect(first.verify(first.publicKey)).toBe(true);
  const days_ms = first.validToDate.getTime() - first.validFromDate.getTime();
  expect(Math.floor(days_ms / 86_400_000)).toBe(3 * 365);
  expect((await seen()).fingerprint256).toBe(first.fingerprint256);
  const kept = join(folder, "data/fixtures/client");
  expect(readdirSync(kept).toSorted()).toEqual(["cert.pem", "key.pem"]);
  expect(statSync(join(kept, "key.pem")).mode & 0o777).toBe(0o600);
});

test("members with --peer-auto-tls reach each other, with no CA in common", async () => {
  const names = ["a", "b", "c"];
  const ports = await Promise.all(names.map(freePort));
  const url = (i: number) => `https://127.0.0.1:${ports[i]}`;
  const cluster = names.map((name, i) => `${name}=${url(i)}`).join(",");
  const members = await Promise.all(
    names.map((name, i) =>
      startWith([
        `--name=${name}`,
        `--data-dir=${folder}/${name}`,
        `--initial-cluster=${cluster}`,
        `--listen-peer-urls=${url(i)}`,
        `--initial-advertise-peer-urls=${url(i)}`,
        "--listen-client-urls=http://127.0.0.1:0",
        "--peer-auto-tls",
      ]),
    ),
  );
  await members[0]!.client.put({ key: Buffer.from("k"), value: Buffer.from("v") });
  const { kvs } = await members[2]!.client.range({ key: Buffer.from("k") });
  expect(kvs.map(({ value }) => Buffer.from(value).toString())).toEqual(["v"]);
});

test("--auto-tls gives way to certificates, and to nothing that verifies", async () => {
  const words = (...more: string[]) => settingsOf(parseGoFlags(["--auto-tls", ...more]), {});
  const { settings } = words("--cert-file=c", "--key-file=k");
  await selfSign(settings);
  expect(settings.warnings).toEqual(["--auto-tls is not used: certificates are given"]);
  expect(settings.text("cert-file")).toBe("c");
  for (const [flag, complaint] of [
    ["--client-cert-auth", "--client-cert-auth excludes --auto-tls"],
    ["--trusted-ca-file=x", "--trusted-ca-file excludes --auto-tls"],
    ["--self-signed-cert-validity=0", "at least 1 year"],
  ] as const) {
    const given = words(flag, `--data-dir=${folder}/d`).settings;
    await expect(selfSign(given)).rejects.toThrow(complaint);
  }
});

test("addresses for HTTP only use TLS if their scheme is https, and serve the pages", async () => {
  const port = await start(
    "--listen-client-http-urls=https://127.0.0.1:0",
    "--listen-metrics-urls=http://127.0.0.1:0",
  );
  const [web, metrics] = stores[0]!.httpAddresses;
  const status = (address: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const [host, at] = address.split(":");
      request({ host, port: at, path: "/version", ca: ca.cert }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
        .once("error", reject)
        .end();
    });
  expect(await status(`127.0.0.1:${port}`)).toBe(404);
  expect(await status(web!)).toBe(200);
  expect(await (await fetch(`http://${metrics}/health`)).json()).toMatchObject({ health: "true" });
});

test("files that cannot be used at the start are named", () => {
  const [cert, key] = [place("cert.pem", "no PEM"), place("key.pem", "no PEM")];
  const why = `certificates cannot be used: ${cert}, ${key}: `;
  expect(() => new TlsFiles({ cert, key }, clock)).toThrow(why);
  const missing = join(folder, "none.pem");
  expect(() => new TlsFiles({ ca: missing }, clock)).toThrow(missing);
});
