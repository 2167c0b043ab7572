import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Apiserver, startApiserver } from "@raft2kube/apiserver/main.ts";
import type { ApiserverOptions } from "@raft2kube/apiserver/options.ts";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";

/** An apiserver on loopback with a CA of its own, for tests. */
export interface TestApiserver {
  server: string;
  ca: KeyPair;
  apiserver: Apiserver;
  readonly options: ApiserverOptions;
  /** PEM, by which it signs service account tokens. */
  readonly serviceAccountKey: string;
  /** A folder that goes with the server. */
  dir: string;
  /** A kubeconfig file for a user of the CA. */
  kubeconfigFor(user: string, organizations?: readonly string[]): Promise<string>;
  credentials(user: string, organizations?: readonly string[]): Promise<KeyPair>;
  /** Stops the server and starts another on the same store and port, with the same keys. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Starts an apiserver on `etcd`, which stays the caller's. */
export async function startTestApiserver(
  etcd: EtcdClient,
  more: Partial<ApiserverOptions> = {},
): Promise<TestApiserver> {
  const ca = await createCa({ commonName: "r2k-test", days: 1, now_ms: Date.now() });
  const options = await testOptions(etcd, ca, more);
  const dir = await mkdtemp(join(tmpdir(), "r2k-apiserver-"));
  return new Running(options, ca, dir, await startApiserver(options));
}

/** The options of an apiserver on `etcd` that accepts the CA's client certificates. */
export async function testOptions(
  etcd: EtcdClient,
  ca: KeyPair,
  more: Partial<ApiserverOptions> = {},
): Promise<ApiserverOptions> {
  const now_ms = Date.now();
  const hosts = (more.listen ?? []).map(({ host }) => host);
  const tls = await issueCertificate(
    ca,
    {
      commonName: "kube-apiserver",
      ipAddresses: [...new Set(["127.0.0.1", "10.96.0.1", ...hosts])],
      dnsNames: ["localhost", "kubernetes.default.svc"],
      usages: ["server"],
      days: 1,
    },
    now_ms,
  );
  const kubelet = await issueCertificate(
    ca,
    { commonName: "kube-apiserver-kubelet-client", usages: ["client"], days: 1 },
    now_ms,
  );
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    etcd,
    listen: [{ host: "127.0.0.1", port: 0 }],
    tls,
    clientCa: ca.cert,
    serviceAccountKey: {
      privateKey: keys.privateKey.export({ type: "pkcs8", format: "pem" }) as string,
      publicKeys: [keys.publicKey.export({ type: "spki", format: "pem" }) as string],
      issuer: "https://kubernetes.default.svc",
    },
    serviceCidr: "10.96.0.0/16",
    advertiseAddress: "192.0.2.10",
    kubeletClient: { ...kubelet, ca: ca.cert },
    ...more,
  };
}

class Running implements TestApiserver {
  readonly ca: KeyPair;
  readonly dir: string;
  readonly server: string;
  apiserver: Apiserver;
  readonly serviceAccountKey: string;
  readonly options: ApiserverOptions;

  constructor(options: ApiserverOptions, ca: KeyPair, dir: string, apiserver: Apiserver) {
    const { host, port } = apiserver.address;
    this.options = { ...options, listen: [{ host, port }] };
    this.ca = ca;
    this.serviceAccountKey = options.serviceAccountKey.privateKey;
    this.dir = dir;
    this.apiserver = apiserver;
    this.server = `https://${host}:${port}`;
  }

  async credentials(user: string, organizations: readonly string[] = []): Promise<KeyPair> {
    const request = { commonName: user, organizations, usages: ["client"] as const, days: 1 };
    return await issueCertificate(this.ca, request, Date.now());
  }

  async kubeconfigFor(user: string, organizations: readonly string[] = []): Promise<string> {
    const { cert, key } = await this.credentials(user, organizations);
    const file = join(this.dir, `${user.replaceAll(/[^a-z0-9-]/gi, "_")}.kubeconfig`);
    const text = kubeconfig("test", { server: this.server, ca: this.ca.cert, cert, key });
    await writeFile(file, text, { mode: 0o600 });
    return file;
  }

  async restart(): Promise<void> {
    await this.apiserver.close();
    this.apiserver = await startApiserver(this.options);
  }

  async close(): Promise<void> {
    await this.apiserver.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}
