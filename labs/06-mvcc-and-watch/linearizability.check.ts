import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import { type Random, seededRandom } from "@raft2kube/std/random.ts";
import { describeAnswer } from "../../testing/history/answers.ts";
import { KV_MODEL, type KvOperation, describeInput } from "../../testing/history/history.ts";
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

check("the answers to many clients fit into one order", async () => {
  const { runs = RUNS, seed: first = 1 } = checkOptions();
  for (let seed = first; seed < first + runs; seed++) {
    stillAtWork();
    await withStore(async (store) => judgeHistory(await play(store.client, seed), seed));
  }
});

interface Call extends KvOperation {
  readonly client: number;
}

/** Clients that ask at the same time; each waits for its answer before it asks again. */
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

/** A turn of the loop or none, so that requests meet in different ways. */
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
        throw new RangeError(`no client asks for ${input.kind}`);
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
    when: `${CLIENTS} clients ask at the same time, with seed ${seed}`,
    expected: "an order of the requests in which a store that does one at a time answers the same",
    happened: [`${before.length} of ${calls.length} fit one; then none of ✗ does`, ...drawn].join(
      "\n",
    ),
    why: "a client that reads what another has written must see it, whoever answers (S2)",
  });
}
