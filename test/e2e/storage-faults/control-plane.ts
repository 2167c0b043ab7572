import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { openSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { KubeConnection } from "@raft2kube/client-kube/transport/credentials.ts";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { freePort } from "../../../testing/free-port.ts";
import { killed } from "../../../testing/killed.ts";
import { waitFor } from "../../../testing/wait.ts";

const ROOT = join(import.meta.dirname, "../../..");
const NODE = join(ROOT, "node_modules/node/bin/node");
const BUNDLE = join(ROOT, ".cache/bundle/main.js");
const START_TIMEOUT_MS = 120_000;
const clock = systemClock();

export type Server = "store" | "apiserver";

/** `r2k store` and `r2k apiserver`, each a process, killed by SIGKILL and started again. */
export class ControlPlane {
  readonly connection: KubeConnection;
  readonly client: KubeClient;
  readonly #dir: string;
  readonly #flags: Readonly<Record<Server, string[]>>;
  readonly #children = new Map<Server, ChildProcess>();

  private constructor(dir: string, connection: KubeConnection, flags: Record<Server, string[]>) {
    this.#dir = dir;
    this.connection = connection;
    this.#flags = flags;
    this.client = new KubeClient({ ...connection, clock, qps: 10_000, burst: 10_000 });
  }

  /** Starts both and waits until the apiserver is ready. */
  static async start(dir: string): Promise<ControlPlane> {
    const fresh = spawnSync(join(ROOT, "r2k"), ["version"], { stdio: ["ignore", "ignore", 2] });
    if (fresh.status !== 0) throw new Error("r2k version failed: the bundle is not up to date");
    await mkdir(dir, { recursive: true });
    const pki = await writePki(dir);
    const port = await freePort();
    const socket = `unix://${join(dir, "store.sock")}`;
    const server = `https://127.0.0.1:${port}`;
    const plane = new ControlPlane(
      dir,
      { server, ca: pki.ca.cert, ...pki.admin },
      {
        store: ["--data-dir", join(dir, "store"), "--listen-client-urls", socket],
        apiserver: [
          "--etcd-servers",
          socket,
          "--bind-address",
          "127.0.0.1",
          "--secure-port",
          String(port),
          "--advertise-address",
          "192.0.2.10",
          "--service-cluster-ip-range",
          "10.96.0.0/16",
          "--service-account-issuer",
          "https://kubernetes.default.svc",
          ...pki.flags,
        ],
      },
    );
    plane.#spawn("store");
    plane.#spawn("apiserver");
    await plane.ready();
    return plane;
  }

  /** Sends SIGKILL; the process is started again when it has ended. */
  kill(server: Server): void {
    const child = this.#children.get(server);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.once("exit", () => {
      if (this.#children.get(server) === child) this.#spawn(server);
    });
    child.kill("SIGKILL");
  }

  /** Waits until both answer. */
  async ready(): Promise<void> {
    const answers = async () => (await this.client.requestText(READY)) === "ok";
    const patience = { clock, timeout_ms: START_TIMEOUT_MS };
    try {
      await waitFor("the apiserver to be ready", answers, patience);
    } catch (thrown) {
      process.stderr.write((await readFile(join(this.#dir, "log"), "utf8")).slice(-2_000));
      throw thrown;
    }
  }

  async close(): Promise<void> {
    this.client.close();
    for (const server of ["apiserver", "store"] as const) {
      const child = this.#children.get(server);
      this.#children.delete(server);
      if (child) await killed(child);
    }
  }

  #spawn(server: Server): void {
    const log = openSync(join(this.#dir, "log"), "a");
    const env = { ...process.env, R2K_ROOT: ROOT, R2K_LOG: "warn", MALLOC_ARENA_MAX: "1" };
    const args = ["--disable-warning=ExperimentalWarning", BUNDLE, server, ...this.#flags[server]];
    this.#children.set(server, spawn(NODE, args, { stdio: ["ignore", log, log], env }));
  }
}

const READY = { method: "GET", path: "/readyz" } as const;

async function writePki(dir: string) {
  const now_ms = clock.now();
  const ca = await createCa({ commonName: "r2k-storage-faults", days: 2, now_ms });
  const issue = (commonName: string, usage: "client" | "server", organizations: string[] = []) =>
    issueCertificate(
      ca,
      { commonName, organizations, usages: [usage], ipAddresses: ["127.0.0.1"], days: 2 },
      now_ms,
    );
  const admin = await issue("admin", "client", ["system:masters"]);
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const write = async (name: string, text: string) => {
    const path = join(dir, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const files = async (name: string, { cert, key }: KeyPair) =>
    [await write(`${name}.crt`, cert), await write(`${name}.key`, key)] as const;
  const [cert, key] = await files("server", await issue("kube-apiserver", "server"));
  const [kubeletCert, kubeletKey] = await files("kubelet", await issue("to-kubelets", "client"));
  const pem = { type: "pkcs8", format: "pem" } as const;
  const signing = await write("sa.key", keys.privateKey.export(pem) as string);
  const spki = { type: "spki", format: "pem" } as const;
  const verifying = await write("sa.pub", keys.publicKey.export(spki) as string);
  const caFile = await write("ca.crt", ca.cert);
  const flags = [
    "--tls-cert-file",
    cert,
    "--tls-private-key-file",
    key,
    "--client-ca-file",
    caFile,
    "--service-account-signing-key-file",
    signing,
    "--service-account-key-file",
    verifying,
    "--kubelet-client-certificate",
    kubeletCert,
    "--kubelet-client-key",
    kubeletKey,
    "--kubelet-certificate-authority",
    caFile,
  ];
  return { ca, admin, flags };
}
