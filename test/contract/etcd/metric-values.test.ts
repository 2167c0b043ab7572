import { existsSync } from "node:fs";
import { Election, Watch } from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { bytes } from "./fixture.ts";
import {
  ETCD_36_PROGRAM,
  type Implementation,
  type Running,
  served,
  upstream36,
} from "./implementations.ts";
import { recordedIn } from "./recorded.ts";

type Values = Record<string, unknown>;
const recorded = recordedIn<Values>("metric-values.json");

async function samplesOf({ endpoint }: Running, name: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${endpoint}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(name));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(name.length, at), Number(line.slice(at + 1))];
    }),
  );
}

/** How many keys there are, after each of several changes. */
async function keyCounts(running: Running): Promise<number[]> {
  const { client: store } = running;
  const key = (name: string) => ({ key: bytes(name) });
  const steps = [
    () => store.put(key("a")),
    () => store.put(key("a")),
    () => store.put(key("b")),
    () => store.deleteRange(key("a")),
    () => store.put(key("a")),
    () => store.deleteRange({ ...key("a"), rangeEnd: bytes("z") }),
    () => store.put(key("c")),
    async () => store.compact({ revision: (await store.range(key("c"))).header!.revision }),
  ];
  const counts: number[] = [];
  for (const step of steps) {
    await step();
    counts.push((await samplesOf(running, "etcd_debugging_mvcc_keys_total")).get("")!);
  }
  return counts;
}

/** The code that a stream is counted with whose client resets it after the first answer. */
async function codeOf(running: Running, method: string): Promise<string> {
  const handled = async () => {
    const all = [...(await samplesOf(running, "grpc_server_handled_total"))];
    const service = method === "Watch" ? "etcdserverpb.Watch" : "v3electionpb.Election";
    const path = `grpc_method="${method}",grpc_service="${service}"`;
    const own = all.filter(([labels]) => labels.includes(path));
    return new Map(own.map(([labels, value]) => [/grpc_code="(\w+)"/.exec(labels)![1]!, value]));
  };
  const before = await handled();
  const abort = new AbortController();
  const channel = connectGrpc(running.endpoint!);
  const { signal } = abort;
  const stream =
    method === "Watch"
      ? client(channel, Watch).watch(open({ createRequest: { key: bytes("k") } }), { signal })
      : client(channel, Election).observe({ name: bytes("e") }, { signal });
  await expect(
    (async () => {
      for await (const answer of stream) if (answer.header) abort.abort();
    })(),
  ).rejects.toThrow("Cancelled on client");
  let code: string | undefined;
  await waitFor(`${method} to be counted`, async () => {
    const now = [...(await handled())];
    code = now.find(([each, value]) => value > (before.get(each) ?? 0))?.[0];
    return code !== undefined;
  });
  channel.close();
  return code!;
}

/** A request, after which the stream stays open. */
async function* open<T>(request: T) {
  yield request;
  await new Promise(() => {});
}

async function valuesOf(implementation: Implementation): Promise<Values> {
  const running = await implementation.start();
  try {
    const keys = await keyCounts(running);
    // A leader to observe.
    await running.client.put({ key: bytes("e/1") });
    const known = await samplesOf(running, "etcd_network_known_peers");
    const [Watch, Observe] = [await codeOf(running, "Watch"), await codeOf(running, "Observe")];
    const etcd_network_known_peers = [...known.values()];
    const counts = { etcd_debugging_mvcc_keys_total: keys, etcd_network_known_peers };
    return { ...counts, "cancelled streams": { Watch, Observe } };
  } finally {
    await running.stop();
  }
}

test("keys and the cancelled streams are counted as etcd counts them", async () => {
  expect(await valuesOf(served)).toEqual(recorded.read());
});

test.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6 says what is recorded", async () => {
  const values = await valuesOf(upstream36);
  recorded.check(values);
});
