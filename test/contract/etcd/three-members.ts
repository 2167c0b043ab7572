import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import type { StoreOptions } from "@raft2kube/store/options.ts";
import { freePort } from "../../../testing/free-port.ts";
import { killed } from "../../../testing/killed.ts";
import { TestMembers } from "../../../testing/store/members.ts";
import { waitFor } from "../../../testing/wait.ts";

/** Three members, of which a test asks one, and takes the other two away. */
export interface ThreeMembers {
  /** `http://host:port` of the one that stays. */
  endpoint: string;
  loseOthers(): Promise<void>;
  stop(): Promise<void>;
}

const UP_TIMEOUT_MS = 60_000;

/** Half of etcd's default: what waits for elections without a leader waits less. */
const QUICK = { tick_ms: 50, electionTicks: 10 };

/** Three of ours, in this process. */
export async function threeOfOurs(more: Partial<StoreOptions> = {}): Promise<ThreeMembers> {
  const members = new TestMembers();
  const all = await members.startThree({ timing: QUICK, ...more });
  return {
    endpoint: `http://${all[0]!.store!.address}`,
    async loseOthers() {
      for (const { proxy } of all) proxy.cut();
    },
    stop: () => members.stopAll(),
  };
}

/** Three real etcds with `more` flags, each a process that is killed. */
export async function threeEtcds(program: string, more: string[] = []): Promise<ThreeMembers> {
  const folder = mkdtempSync(join(tmpdir(), "r2k-three-etcds-"));
  const names = ["a", "b", "c"];
  const ports = await Promise.all(names.flatMap(() => [freePort(), freePort()]));
  const url = (i: number) => `http://127.0.0.1:${ports[i]}`;
  const cluster = names.map((name, i) => `${name}=${url(2 * i + 1)}`).join(",");
  const processes = names.map((name, i) => {
    const [client, peer] = [url(2 * i), url(2 * i + 1)];
    const flags = [
      `--name=${name}`,
      `--data-dir=${join(folder, name)}`,
      `--initial-cluster=${cluster}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      ...more,
    ];
    return spawn(program, flags, { stdio: "ignore" });
  });
  const stop = async (some: readonly ChildProcess[]) =>
    void (await Promise.all(some.map((child) => killed(child))));
  const client = connectEtcd({ endpoints: [url(0)] });
  const answers = () => client.leaseLeases({ timeout_ms: 2_000 });
  const clock = systemClock();
  await waitFor("etcd to answer", answers, { clock, timeout_ms: UP_TIMEOUT_MS });
  await client.close();
  return {
    endpoint: url(0),
    loseOthers: () => stop(processes.slice(1)),
    stop: async () => {
      await stop(processes);
      rmSync(folder, { recursive: true });
    },
  };
}
