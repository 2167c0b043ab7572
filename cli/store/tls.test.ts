import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { type KeyPair, createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { type Store, startStore } from "@raft2kube/store/main.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseGoFlags } from "./go-flags.ts";
import { storeOptions } from "./options.ts";
import { settingsOf } from "./server.ts";

const days = 1;
const now_ms = Date.now();
const clock = systemClock();
let folder: string;
let ca: KeyPair;
let stores: Store[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "r2k-tls-"));
  ca = await createCa({ commonName: "ca", days, now_ms });
  stores = [];
});
afterEach(async () => {
  for (const store of stores) await store.close();
  rmSync(folder, { recursive: true });
});

function issue(commonName: string): Promise<KeyPair> {
  const names = { commonName, ipAddresses: ["127.0.0.1"], dnsNames: [commonName] };
  return issueCertificate(ca, { ...names, days, usages: ["server", "client"] }, now_ms);
}

/** Puts a file in place as tools that rotate certificates do: whole, at once. */
function place(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
  return path;
}

async function start(...words: string[]): Promise<number> {
  const server = await issue("first");
  const all = [
    `--data-dir=${folder}/data`, "--listen-client-urls=https://127.0.0.1:0",
    `--cert-file=${place("cert.pem", server.cert)}`, `--key-file=${place("key.pem", server.key)}`,
    ...words,
  ];
  const store = await startStore(storeOptions(settingsOf(parseGoFlags(all), {}).settings));
  stores.push(store);
  return Number(store.address!.split(":")[1]);
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
  await waitFor("the second certificate", async () => (await seen()).includes("second"), { clock });
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

test("addresses for HTTP only use TLS if their scheme is https, and serve the pages", async () => {
  const port = await start(
    "--listen-client-http-urls=https://127.0.0.1:0", "--listen-metrics-urls=http://127.0.0.1:0",
  );
  const [web, metrics] = stores[0]!.httpAddresses;
  const status = (address: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const [host, at] = address.split(":");
      request({ host, port: at, path: "/version", ca: ca.cert }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      }).once("error", reject).end();
    });
  expect(await status(`127.0.0.1:${port}`)).toBe(404);
  expect(await status(web!)).toBe(200);
  expect(await (await fetch(`http://${metrics}/health`)).json()).toMatchObject({ health: "true" });
});
