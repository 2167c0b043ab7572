import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import { type Random, seededRandom } from "@raft2kube/std/random.ts";
import { describeAnswer } from "../../testing/history/answers.ts";
import { describeInput, KV_MODEL, type KvOperation } from "../../testing/history/history.ts";
import type { KvInput } from "../../testing/history/kv-model.ts";
import { checkLinearizability } from "../../testing/history/linearizability.ts";
import { check, checkOptions, stillAtWork } from "../check.ts";
import { judge } from "../judge.ts";
import { drawHistory } from "./draw-history.ts";
import { withStore } from "./own-store.ts";
import { randomInput } from "./random-input.ts";

const RUNS = 3;
const CLIENTS = 4;
const REQUESTS = 40;

check("the responses to concurrent clients are linearizable", async () => {
  const { runs = RUNS, seed: first = 1 } = checkOptions();
  for (let seed = first; seed < first + runs; seed++) {
    stillAtWork();
    await withStore(async (store) => judgeHistory(await play(store.client, seed), seed));
  }
});

interface Call extends KvOperation {
  readonly client: number;
}

/** Concurrent clients; each waits for its response before it sends the next request. */
async function play(client: EtcdClient, seed: number): Promise<Call[]> {
  const random = seededRandom(seed);
  const calls: Call[] = [];
  let counter = 0;
  let revision = 1;
  const one = async (number: number) => {
    for (let i = 0; i < REQUESTS; i++) {
      const input = randomInput(random, revision);
      const began = ++counter;
      await pause(random);
      const output = await ask(client, input);
      calls.push({ client: number, input, output, began, ended: ++counter });
      revision = Math.max(revision, Number.parseInt(output.slice(1), 10) || 0);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => one(number + 1)));
  return calls;
}

/** Waits for a turn of the event loop or not, so that requests interleave in different ways. */
function pause(random: Random): Promise<void> | undefined {
  if (random.next() < 0.5) return undefined;
  return new Promise((resolve) => void setImmediate(resolve));
}

async function ask(client: EtcdClient, input: KvInput): Promise<string> {
  try {
    switch (input.kind) {
      case "put":
        return describeAnswer("put", await client.put(input.request));
      case "delete-range":
        return describeAnswer("delete-range", await client.deleteRange(input.request));
      case "range":
        return describeAnswer("range", await client.range(input.request));
      case "compact":
        return describeAnswer("compact", await client.compact(input.request));
      case "txn":
        return describeAnswer("txn", await client.txn(input.request));
      default:
        throw new RangeError(`no client sends ${input.kind}`);
    }
  } catch (thrown) {
    for (const name of ["compacted", "futureRevision"] as const) {
      if (isEtcdError(thrown, name)) return `!${name}`;
    }
    throw thrown;
  }
}

function judgeHistory(calls: readonly Call[], seed: number): void {
  const verdict = checkLinearizability(KV_MODEL, calls);
  if (verdict.linearizable === true) return;
  const stuck = verdict.stuck.map((i) => calls[i]!);
  const before = verdict.prefix.map((i) => calls[i]!);
  const drawn = drawHistory(
    before,
    stuck,
    (call) => `${describeInput(call.input)} -> ${call.output}`,
  );
  judge(false, {
    when: `${CLIENTS} concurrent clients, seed ${seed}`,
    expected: "an order of the requests in which a sequential store gives the same responses",
    happened: [
      `${before.length} of ${calls.length} have an order; no call marked ✗ can follow`,
      ...drawn,
    ].join("\n"),
    why: "a read must return every write that completed before it, on every member (S2)",
  });
}
