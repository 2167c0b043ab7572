import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ApiserverOptions } from "@raft2kube/apiserver/options.ts";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { type Random, systemRandom } from "@raft2kube/std/random.ts";
import { startStore } from "@raft2kube/store/main.ts";
import { AS_UPSTREAM } from "../../../../testing/apiserver/as-upstream.ts";
import { startEtcd } from "../../../../testing/apiserver/etcd-server.ts";
import { startTestApiserver } from "../../../../testing/apiserver/test-apiserver.ts";
import { startUpstream } from "../../../../testing/apiserver/upstream-apiserver.ts";
import { waitFor } from "../../../../testing/wait.ts";
import { type Call, callerOf } from "./caller.ts";

/** An apiserver, asked as a master. */
export interface Server {
  readonly call: Call;
  /** Where it serves on loopback, and the master's certificate. */
  readonly port: number;
  /** Where its Service and its documents say that it is. */
  readonly advertisedPort: number;
  readonly pair: KeyPair;
  /** PEM, by which it signs service account tokens. */
  readonly serviceAccountKey: string;
  close(): Promise<void>;
}

const PEERS = join(import.meta.dirname, "../../../../.peers/bin");

/** kube-apiserver 1.36 on etcd 3.6, whose progress notices its newer ways to list need. */
export async function startTheirs(flags: Readonly<Record<string, string>> = {}): Promise<Server> {
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "r2k-test", days: 1, now_ms });
  const admin = { commonName: "admin", organizations: ["system:masters"], days: 1 };
  const pair = await issueCertificate(ca, { ...admin, usages: ["client"] }, now_ms);
  const dir = await mkdtemp(join(tmpdir(), "r2k-stories-"));
  const clientCa = join(dir, "ca.crt");
  await writeFile(clientCa, ca.cert);
  const etcd = await startEtcd(join(PEERS, "etcd"));
  const upstream = await startUpstream(join(PEERS, "kube-apiserver"), {
    "etcd-servers": etcd.url,
    "client-ca-file": clientCa,
    "authorization-mode": "Node,RBAC",
    // Ours do not ask each other for kinds of another version (docs/DIVERGENCE.md).
    "feature-gates": "UnknownVersionInteroperabilityProxy=false",
    ...flags,
  });
  const { port } = upstream;
  const call = callerOf(port, pair);
  // Made after it is ready.
  const { clock, path } = { clock: systemClock(), path: "/api/v1/namespaces/default/services" };
  const hasService = async () => (await call("GET", `${path}/kubernetes`, {})).status === 200;
  await waitFor("the Service kubernetes", hasService, { clock, timeout_ms: 60_000 });
  return {
    call,
    port,
    advertisedPort: port,
    pair,
    serviceAccountKey: upstream.serviceAccountKey,
    async close() {
      call.close();
      await upstream.close();
      await etcd.close();
      await rm(dir, { recursive: true });
    },
  };
}

/**
 * Chooses from the first half of every range: addresses and node ports that stories ask for by name
 * lie in the second, and are never given to another Service.
 */
const LOW: Random = { next: () => systemRandom.next() / 2 };

/** A key of the kind that the recorded server had. */
function rsaKey(): ApiserverOptions["serviceAccountKey"] {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    privateKey: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    publicKeys: [publicKey.export({ type: "spki", format: "pem" }) as string],
    issuer: "https://kubernetes.default.svc",
  };
}

/** Ours on our store. */
export async function startOurs(more: Partial<ApiserverOptions> = {}): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), "r2k-stories-"));
  const store = await startStore({ dataDir, listenClient: { path: join(dataDir, "s.sock") } });
  const options = { serves: AS_UPSTREAM, random: LOW, serviceAccountKey: rsaKey(), ...more };
  const api = await startTestApiserver(store.client, options);
  const pair = await api.credentials("admin", ["system:masters"]);
  const port = Number(new URL(api.server).port);
  const call = callerOf(port, pair);
  return {
    call,
    port,
    // Without a port of its own in the options it is upstream's default.
    advertisedPort: 6443,
    pair,
    serviceAccountKey: api.serviceAccountKey,
    async close() {
      call.close();
      await api.close();
      await store.close();
      await rm(dataDir, { recursive: true });
    },
  };
}
