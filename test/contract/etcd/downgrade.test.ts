import { existsSync } from "node:fs";
import {
  DowngradeRequest_DowngradeAction as Action,
  Maintenance,
} from "@raft2kube/proto/gen/etcd.ts";
import { connectGrpc, client as rpcClient } from "@raft2kube/rpc/client.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import { describe, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import {
  ETCD_36_PROGRAM,
  type Running,
  served,
  threeMembers,
  upstream36,
} from "./implementations.ts";
import { recordedIn } from "./recorded.ts";

const recorded = recordedIn<string[]>("downgrade.json");

/** Targets of a downgrade: permitted, refused, and invalid ones. */
const TARGETS = [
  ...["3.5", "3.5.0", "3.5.7", "3.5.0-rc.1", "3.5.0+x"],
  ...["3.4", "3.6", "3.7", "2.5", "4.5", "03.05"],
  ...["", "x", "3", "v3.5", "3.5.1.2", "3.5-rc.1", " 3.5", "3.-5"],
];

/** Runs a fixed sequence against a store, and records its responses. */
async function cases({ endpoint }: Running): Promise<string[]> {
  const channel = connectGrpc(endpoint!);
  const { downgrade, status } = rpcClient(channel, Maintenance);
  const lines: string[] = [];
  const ask = async (name: keyof typeof Action, version: string) => {
    const answer = await downgrade({ action: Action[name], version }).then(
      (response) => `version ${response.version}`,
      (thrown: unknown) => {
        if (thrown instanceof RpcError) return `${thrown.status} ${thrown.message}`;
        throw thrown;
      },
    );
    lines.push(`${name} "${version}": ${answer}`);
  };
  const at = async (version: string) => {
    const seen = { etcdserver: "3.6.5", etcdcluster: version, storage: version };
    const pages = async () => (await fetch(`${endpoint}/version`)).text();
    const changed = async () => (await pages()) === JSON.stringify(seen);
    await waitFor(`the cluster to be of ${version}`, changed);
    const { version: own, storageVersion, downgradeInfo } = await status({});
    lines.push(JSON.stringify({ own, storageVersion, downgradeInfo }));
  };
  await at("3.6.0");
  for (const target of TARGETS) await ask("VALIDATE", target);
  await ask("CANCEL", "");
  for (const target of ["3.4", "x"]) await ask("ENABLE", target);
  await ask("ENABLE", "3.5");
  await at("3.5.0");
  for (const target of ["3.5", "3.4", "3.6", "x"]) await ask("VALIDATE", target);
  for (const target of ["3.5", "3.4"]) await ask("ENABLE", target);
  await ask("CANCEL", "3.5");
  await at("3.6.0");
  await ask("CANCEL", "");
  await ask("VALIDATE", "3.5");
  channel.close();
  return lines;
}

async function casesOn(start: () => Promise<Running>): Promise<string[]> {
  const running = await start();
  try {
    return await cases(running);
  } finally {
    await running.stop();
  }
}

describe("a downgrade is allowed, begun and ended as by etcd", () => {
  test.each([
    ["one member", served.start],
    ["a follower of three", threeMembers.start],
  ])("%s", async (_name, start) => {
    expect(recorded.read().length).toBeGreaterThan(TARGETS.length);
    expect(await casesOn(start)).toEqual(recorded.read());
  });
});

test.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6 says what is recorded", async () => {
  const lines = await casesOn(upstream36.start);
  recorded.check(lines);
});
