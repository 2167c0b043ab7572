import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { BCRYPT_COST_MIN } from "@raft2kube/store/limits.ts";
import { startStore } from "@raft2kube/store/main.ts";
import type { StoreOptions } from "@raft2kube/store/options.ts";
import { freePort } from "../../../testing/free-port.ts";
import { killed } from "../../../testing/killed.ts";
import { TestMembers } from "../../../testing/store/members.ts";
import { waitFor } from "../../../testing/wait.ts";
import { ETCD_34, ETCD_36 } from "./etcd-programs.ts";

/** A running store to hold to the contract. */
export interface Running {
  client: EtcdClient;
  /** Where other programs reach it; undefined when they cannot. */
  endpoint: string | undefined;
  stop(): Promise<void>;
}

/** Something that claims to be etcd. */
export interface Implementation {
  start(): Promise<Running>;
  /** Whether a wish for progress waits until all watches of its stream have caught up (3.4.25). */
  progressIsSafe: boolean;
  /** Whether unknown sort options are refused (3.5). */
  refusesSortOptions: boolean;
  /** Whether a transaction that cannot be done fails for its first operation that cannot (3.6). */
  checksInOrder: boolean;
}

const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), "r2k-etcd-"));

/** Passwords hashed as quickly as may be: how strong the hash is makes no other difference. */
const QUICK = { auth: { bcryptCost: BCRYPT_COST_MIN } };

/** Our store in this process, called directly. */
export const embedded: Implementation = {
  progressIsSafe: true,
  refusesSortOptions: true,
  checksInOrder: true,
  async start() {
    const dataDir = temporaryFolder();
    const store = await startStore({ dataDir, ...QUICK });
    return {
      client: store.client,
      endpoint: undefined,
      async stop() {
        await store.close();
        rmSync(dataDir, { recursive: true });
      },
    };
  },
};

/** Our store over gRPC. */
export const served: Implementation = {
  progressIsSafe: true,
  refusesSortOptions: true,
  checksInOrder: true,
  start: () => servedWith({}),
};

export async function servedWith(more: Partial<StoreOptions>): Promise<Running> {
  const dataDir = temporaryFolder();
  const listenClient = { host: "127.0.0.1", port: 0 };
  const store = await startStore({ dataDir, listenClient, ...QUICK, ...more });
  const endpoint = `http://${store.address}`;
  const client = connectEtcd({ endpoints: [endpoint] });
  return {
    client,
    endpoint,
    async stop() {
      await client.close();
      await store.close();
      rmSync(dataDir, { recursive: true });
    },
  };
}

/** Three members of ours over gRPC; the client speaks to one that does not lead. */
export const threeMembers: Implementation = {
  progressIsSafe: true,
  refusesSortOptions: true,
  checksInOrder: true,
  start: () => threeMembersWith({}),
};

export async function threeMembersWith(more: Partial<StoreOptions>): Promise<Running> {
  const members = new TestMembers();
  const all = await members.startThree({ ...QUICK, ...more });
  const statuses = await Promise.all(all.map(({ store }) => store!.client.status()));
  const follower = all.findIndex((_, i) => statuses[i]!.leader !== statuses[i]!.header!.memberId);
  const rotated = [...all.slice(follower), ...all.slice(0, follower)];
  const endpoints = rotated.map(({ store }) => `http://${store!.address}`);
  const client = connectEtcd({ endpoints });
  return {
    client,
    endpoint: endpoints[0],
    async stop() {
      await client.close();
      await members.stopAll();
    },
  };
}

export const ETCD_PROGRAM = ETCD_34.etcd;
/** Program that `npm run peers` builds, where there is Go: the release whose API ours is. */
export const ETCD_36_PROGRAM = ETCD_36.etcd;
export const ETCDCTL_36_PROGRAM = ETCD_36.etcdctl;

/** Debian's etcd-server, the judge of all others. */
export const upstream: Implementation = {
  progressIsSafe: false,
  refusesSortOptions: false,
  checksInOrder: false,
  start: () => startEtcd(ETCD_PROGRAM),
};

/** The etcd whose version our store says it is. */
export const upstream36: Implementation = {
  progressIsSafe: true,
  refusesSortOptions: true,
  checksInOrder: true,
  start: () => startEtcd(ETCD_36_PROGRAM, [`--bcrypt-cost=${BCRYPT_COST_MIN}`]),
};

/** One real etcd alone, with `more` flags. */
export async function startEtcd(program: string, more: string[] = []): Promise<Running> {
  const dataDir = temporaryFolder();
  const [clientPort, peerPort] = [await freePort(), await freePort()];
  const endpoint = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const flags = [
    ["--data-dir", dataDir],
    ["--listen-client-urls", endpoint],
    ["--advertise-client-urls", endpoint],
    ["--listen-peer-urls", peer],
    ["--initial-advertise-peer-urls", peer],
    ["--initial-cluster", `default=${peer}`],
    more,
  ];
  const server = spawn(program, flags.flat(), { stdio: "ignore" });
  const client = connectEtcd({ endpoints: [endpoint] });
  const clock = systemClock();
  await waitFor("etcd to answer", () => client.leaseLeases({ timeout_ms: 3_000 }), { clock });
  return {
    client,
    endpoint,
    async stop() {
      await client.close();
      await killed(server);
      rmSync(dataDir, { recursive: true });
    },
  };
}
