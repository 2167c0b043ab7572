import { generateKeyPairSync, type KeyPairKeyObjectResult } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startApiserver } from "@raft2kube/apiserver/main.ts";
import type { ApiserverOptions } from "@raft2kube/apiserver/options.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { SERVICE_ACCOUNTS } from "@raft2kube/client-kube/rest/resources.ts";
import type { KubeConnection } from "@raft2kube/client-kube/transport/credentials.ts";
import {
  type ControllersOptions,
  type RunningControllers,
  startControllers,
} from "@raft2kube/controllers/main.ts";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { startScheduler } from "@raft2kube/scheduler/main.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { startStore } from "@raft2kube/store/main.ts";
import { waitFor } from "../../../testing/wait.ts";

/** A control plane in this process, on a real store and real sockets, under its real identities. */
export interface ControlPlane {
  readonly clock: Clock;
  readonly admin: KubeClient;
  readonly ca: KeyPair;
  /** A connection under any certificate subject. */
  connection(commonName: string, organizations?: string[]): Promise<KubeConnection>;
  /** Ends the apiserver, and starts another on the same store and address. */
  restartApiserver(): Promise<void>;
  close(): Promise<void>;
}

/** The part of a control plane that most suites use. */
export type PlaneAccess = Pick<ControlPlane, "clock" | "admin" | "connection">;

type Settings =
  | "autoscalers"
  | "clusterCidr"
  | "controllers"
  | "nodeCidrMask"
  | "nodeMonitorGracePeriod_ms";

type ControlPlaneOptions = Partial<
  Pick<ControllersOptions, Settings> &
    Pick<ApiserverOptions, "admission"> & {
      /** Starts other controllers and another scheduler in the place of ours. */
      startOthers(others: Others): Promise<{ close(): Promise<void> }>;
    }
>;

/** Options for controllers and a scheduler of others. */
export interface Others {
  connection: ControlPlane["connection"];
  readonly ca: KeyPair;
  /** PEM of the key that service accounts' tokens are signed with. */
  readonly serviceAccountKey: string;
}

const START_MS = 30_000;
/**
 * Time for upstream's programs, which are elected first, and request a token for each of their
 * controllers.
 */
const START_OF_OTHERS_MS = 150_000;

export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const clock = systemClock();
  const dir = await mkdtemp(join(tmpdir(), "r2k-controllers-"));
  const ca = await createCa({ commonName: "kubernetes", days: 2, now_ms: clock.now() });
  const issue = (commonName: string, organizations: string[] = []) =>
    issueCertificate(ca, { commonName, organizations, usages: ["client"], days: 1 }, clock.now());
  const listenClient = { path: join(dir, "s.sock") };
  const store = await startStore({ dataDir: join(dir, "store"), listenClient });
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const parts = { etcd: store.client, ca, clock, keys, admission: options.admission ?? {} };
  let server = await startApi({ ...parts, port: 0 });
  const { host, port } = server.address;
  const connection = async (commonName: string, organizations?: string[]) => {
    const pair = await issue(commonName, organizations);
    return { server: `https://${host}:${port}`, ca: ca.cert, ...pair };
  };
  const serviceAccountKey = keys.privateKey.export({ type: "sec1", format: "pem" }).toString();
  const { startOthers } = options;
  const managers = startOthers
    ? await startOthers({ connection, ca, serviceAccountKey })
    : await startOurManagers(connection, ca, { serviceAccountKey, ...options });
  const rate = { qps: 1_000, burst: 1_000 };
  const masters = await connection("admin", ["system:masters"]);
  const admin = new KubeClient({ ...masters, clock, ...rate });
  const accounts = admin.resource(SERVICE_ACCOUNTS);
  const account = { namespace: "default", name: "default" };
  // Pods are refused until their account is there.
  const timeout_ms = startOthers ? START_OF_OTHERS_MS : START_MS;
  await waitFor("the default ServiceAccount", () => accounts.get(account), { timeout_ms });
  return {
    clock,
    admin,
    ca,
    connection,
    async restartApiserver() {
      await server.close();
      server = await startApi({ ...parts, port });
    },
    async close() {
      admin.close();
      await managers.close();
      await server.close();
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** All our controllers, under their own identities. */
export async function startOurControllers(
  connection: ControlPlane["connection"],
  ca: KeyPair,
  options: Partial<ControllersOptions> = {},
): Promise<RunningControllers> {
  return startControllers({
    connection: await connection("system:kube-controller-manager"),
    clusterCidr: "10.244.0.0/16",
    rootCa: ca.cert,
    clusterSigning: ca,
    controllers: ["*", "bootstrap-signer-controller", "token-cleaner-controller"],
    leaderElect: false,
    ...options,
  });
}

/** Our controllers and our scheduler, under their own identities. */
export async function startOurManagers(
  connection: ControlPlane["connection"],
  ca: KeyPair,
  options: Partial<ControllersOptions> = {},
): Promise<{ close(): Promise<void> }> {
  const controllers = await startOurControllers(connection, ca, options);
  const scheduler = await startScheduler({
    connection: await connection("system:kube-scheduler"),
    leaderElect: false,
  });
  return {
    async close() {
      await scheduler.close();
      await controllers.close();
    },
  };
}

interface ApiParts {
  etcd: Parameters<typeof startApiserver>[0]["etcd"];
  ca: KeyPair;
  clock: Clock;
  keys: KeyPairKeyObjectResult;
  port: number;
  admission: NonNullable<ApiserverOptions["admission"]>;
}

async function startApi({ etcd, ca, clock, keys, port, admission }: ApiParts) {
  const issue = (commonName: string, usage: "server" | "client") => {
    const subject = { commonName, usages: [usage], ipAddresses: ["127.0.0.1"], days: 1 };
    return issueCertificate(ca, subject, clock.now());
  };
  return startApiserver({
    etcd,
    listen: [{ host: "127.0.0.1", port }],
    tls: await issue("apiserver", "server"),
    clientCa: ca.cert,
    serviceAccountKey: {
      privateKey: keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      publicKeys: [keys.publicKey.export({ type: "spki", format: "pem" }).toString()],
      issuer: "https://kubernetes.default.svc.cluster.local",
    },
    serviceCidr: "10.96.0.0/16",
    advertiseAddress: "192.0.2.10",
    kubeletClient: { ...(await issue("kubelet-client", "client")), ca: ca.cert },
    admission,
  });
}
