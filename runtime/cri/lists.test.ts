import { join } from "node:path";
import { MESSAGE_BYTES_MAX } from "@raft2kube/rpc/limits.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { LIST_PIECE_ITEMS } from "../limits.ts";
import { podOf } from "../pod-group.ts";
import { RecordTable } from "../record-table.ts";
import { SANDBOX_STATE, type SandboxRecord } from "../sandbox/record.ts";
import { inPieces } from "./pieces.ts";
import { sandboxCalls } from "./sandbox-calls.ts";

/** Labels and annotations that the kubelet passes on of a pod, and as much for all else. */
const SANDBOX_BYTES = 2 * 16 * 1024;

test("a list is as many messages as it takes, each of which fits", () => {
  const items = Array.from({ length: 2 * LIST_PIECE_ITEMS + 1 }, (_, at) => at);
  expect(inPieces(items).map(({ length }) => length)).toEqual([
    LIST_PIECE_ITEMS,
    LIST_PIECE_ITEMS,
    1,
  ]);
  expect(inPieces(items).flat()).toEqual(items);
  expect(inPieces([])).toEqual([[]]);
  expect(LIST_PIECE_ITEMS * SANDBOX_BYTES).toBeLessThan(MESSAGE_BYTES_MAX);
});

test("a list of one pod's sandboxes looks at none of others, however many ended", async () => {
  const dir = testFolder("r2k-lists-");
  const sandboxes = new RecordTable<SandboxRecord>(
    "sandbox",
    SANDBOX_STATE,
    (id) => join(dir, id),
    podOf,
  );
  const looks = new Map<string, number>();
  for (let at = 0; at < 20; at++) {
    const id = `s${at}`;
    const config = { labels: { "io.kubernetes.pod.uid": `u${at}` }, annotations: {} };
    const record = { id, createdAt_ms: at, state: "ready" } as unknown as SandboxRecord;
    Object.defineProperty(record, "config", {
      get: () => {
        looks.set(id, (looks.get(id) ?? 0) + 1);
        return config;
      },
    });
    await sandboxes.put(record);
  }
  looks.clear();
  const calls = sandboxCalls({ sandboxes, others: { sandboxes: async () => [] } } as never);
  const of = (uid: string) => ({ filter: { labelSelector: { "io.kubernetes.pod.uid": uid } } });
  const list = async (uid: string) =>
    (await calls.listPodSandbox!(of(uid) as never, {} as never)).items;
  expect(await list("u7")).toHaveLength(1);
  expect([...looks.keys()]).toEqual(["s7"]);
  await sandboxes.remove("s7");
  expect(await list("u7")).toEqual([]);
});
