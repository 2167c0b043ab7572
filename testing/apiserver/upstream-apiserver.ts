import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { openSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { freePort } from "../free-port.ts";
import { killed } from "../killed.ts";
import { waitFor } from "../wait.ts";
import { startEtcd } from "./etcd-server.ts";
import { impersonating, type SendJson, warningsIn } from "./send-json.ts";

/** Upstream's kube-apiserver, to record golden answers and to share data with. */
export interface UpstreamApiserver {
  send: SendJson;
  /** Where it serves, with a certificate of its own, and a token that may do everything. */
  readonly port: number;
  readonly token: string;
  /** PEM, by which its own certificate is verified. */
  readonly ca: string;
  /** PEM, by which it signs service account tokens. */
  readonly serviceAccountKey: string;
  close(): Promise<void>;
}

const TOKEN = "recorder";

/**
 * Starts the program at `binary`, with the namespace and account that pods need, on an etcd of its
 * own unless `flags` have `etcd-servers`.
 */
export async function startUpstream(
  binary: string,
  flags: Readonly<Record<string, string>> = {},
): Promise<UpstreamApiserver> {
  const etcd = flags["etcd-servers"] === undefined ? await startEtcd() : undefined;
  const dir = await mkdtemp(join(tmpdir(), "r2k-upstream-"));
  const port = await freePort();
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const serviceAccountKey = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  const child = await run(binary, dir, port, serviceAccountKey, {
    ...(etcd ? { "etcd-servers": etcd.url } : {}),
    ...flags,
  });
  const send: SendJson = (...words) => sendJson(port, ...words);
  const close = async () => {
    await killed(child);
    await etcd?.close();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const clock = systemClock();
    const ready = async () => (await send("GET", "/readyz", "", undefined)).status === 200;
    await waitFor("kube-apiserver", () => ready().catch(() => false), {
      clock,
      timeout_ms: 60_000,
    });
    await send("POST", "/api/v1/namespaces/default/serviceaccounts", "application/json", {
      metadata: { name: "default" },
    });
    const certificate = flags["tls-cert-file"] ?? join(dir, "certs/apiserver.crt");
    const ca = await readFile(certificate, "utf8");
    return { send, port, token: TOKEN, ca, serviceAccountKey, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

async function run(
  binary: string,
  dir: string,
  port: number,
  serviceAccountKey: string,
  more: Readonly<Record<string, string>>,
): Promise<ChildProcess> {
  const key = join(dir, "sa.key");
  const tokens = join(dir, "tokens.csv");
  await writeFile(key, serviceAccountKey, { mode: 0o600 });
  await writeFile(tokens, `${TOKEN},admin,admin,system:masters\n`, { mode: 0o600 });
  const flags = {
    "bind-address": "127.0.0.1",
    "secure-port": String(port),
    "cert-dir": join(dir, "certs"),
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": key,
    "service-account-signing-key-file": key,
    "service-cluster-ip-range": "10.96.0.0/16",
    "allow-privileged": "true",
    "authorization-mode": "RBAC",
    "token-auth-file": tokens,
    ...more,
  };
  const words = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const log = openSync(join(dir, "log"), "w");
  return spawn(binary, words, { stdio: ["ignore", log, log] });
}

function sendJson(
  port: number,
  method: string,
  path: string,
  type: string,
  body: unknown,
  as?: string,
): ReturnType<SendJson> {
  const headers = {
    authorization: `Bearer ${TOKEN}`,
    "user-agent": "recorder/1",
    ...(type === "" ? {} : { "content-type": type }),
    ...impersonating(as),
  };
  // Its certificate is its own, made at start; only loopback is spoken to.
  const options = { method, headers, host: "127.0.0.1", port, path, rejectUnauthorized: false };
  return new Promise((resolve, reject) => {
    const sent = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        const json = text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : {};
        const warnings = warningsIn(response.headers["warning"]);
        resolve({ status: response.statusCode ?? 0, body: json, warnings });
      });
    });
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
