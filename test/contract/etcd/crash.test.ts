import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { suiteFolder } from "../../../testing/folders.ts";
import { killed } from "../../../testing/killed.ts";
import { waitFor } from "../../../testing/wait.ts";
import { readyBundle, spawnBundled } from "../bundled.ts";
import { bytes, shorthand } from "./fixture.ts";

const dataDir = suiteFolder("r2k-crash-");
const socket = join(dataDir, "client.sock");
let server: ChildProcess | undefined;

afterAll(() => server?.kill("SIGKILL"));

function startServer(): ChildProcess {
  const flags = ["--data-dir", dataDir, "--listen-client-urls", `unix://${socket}`];
  return spawnBundled(["store", ...flags], { stdio: "ignore" });
}

/** Writes one key after another until the connection breaks; returns what was acknowledged. */
async function write(
  client: EtcdClient,
  name: string,
  from: number,
  acknowledged: Map<string, number>,
): Promise<void> {
  for (let value = from; ; value++) {
    try {
      await client.put({ key: bytes(name), value: bytes(`${value}`) });
      acknowledged.set(name, value);
    } catch (thrown) {
      if (thrown instanceof EtcdError && thrown.status === Status.UNAVAILABLE) return;
      if (thrown instanceof EtcdError && thrown.status === Status.INTERNAL) return;
      throw thrown;
    }
  }
}

beforeAll(readyBundle);

test("S1: kill -9 under load loses nothing that was acknowledged", async () => {
  const seed = 7;
  const random = seededRandom(seed);
  const acknowledged = new Map<string, number>();
  let revision = 0;
  for (let round = 0; round < 4; round++) {
    server = startServer();
    const client = connectEtcd({ endpoints: [`unix://${socket}`] });
    const answer = () => client.status({ timeout_ms: 1_000 });
    const { header } = await waitFor("the store to answer", answer);
    expect(header!.revision, `seed ${seed}`).toBeGreaterThanOrEqual(revision);
    for (const [name, value] of acknowledged) {
      const found = await shorthand(client).get(name);
      expect(Number(found?.value), `${name}, seed ${seed}`).toBeGreaterThanOrEqual(value);
    }
    const writers = Array.from({ length: 20 }, (_, i) => {
      const name = `writer-${i}`;
      return write(client, name, (acknowledged.get(name) ?? 0) + 1, acknowledged);
    });
    const enough = randomInteger(random, 1_000, 5_000);
    const start = sum(acknowledged);
    await waitFor(`${enough} acknowledged`, () => sum(acknowledged) - start > enough);
    revision = (await client.status()).header!.revision;
    await killed(server);
    await Promise.all(writers);
    await client.close();
  }
});

function sum(values: Map<string, number>): number {
  let total = 0;
  for (const value of values.values()) total += value;
  return total;
}
