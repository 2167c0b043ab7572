import type { ConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import { entryOfRow } from "@raft2kube/apiserver/cache/entry-of-row.ts";
import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import { UPDATE_ATTEMPTS_MAX } from "@raft2kube/apiserver/limits.ts";
import type { Resource } from "@raft2kube/apiserver/resource/resource.ts";
import { keyOf } from "@raft2kube/apiserver/storage/keys.ts";
import { Rows } from "@raft2kube/apiserver/storage/rows.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { NAMESPACE, mapOf, numberIn, refusalOf, withWorld } from "./world.ts";

const KEY = "/registry/configmaps/lab/a";
const LOST = "a write that nobody was told of is lost: optimistic concurrency, API conventions";

check("conflict: of two who read the same revision, one writes", () =>
  withWorld(async ({ etcd }) => {
    const rows = new Rows(etcd);
    const made = await rows.create(KEY, Buffer.from("made"));
    const base = made.done ? made.revision : 0;
    const first = await rows.replace(KEY, base, Buffer.from("first"));
    const second = await rows.replace(KEY, base, Buffer.from("second"));
    const { row } = await rows.get(KEY);
    judge(first.done && !second.done && row?.value.toString() === "first", {
      when: `two replace ${KEY}, both having read revision ${base}`,
      expected: `the first writes, the second does not: "first" stays`,
      happened: `the second ${second.done ? "wrote too" : "did not"}: "${row?.value.toString()}"`,
      why: LOST,
    });
    const shown = second.done ? undefined : second.current;
    judge(shown?.value.toString() === "first" && shown.revision === row?.revision, {
      when: "a write is refused, because somebody else was faster",
      expected: `the row that is there now, of revision ${row?.revision}`,
      happened: shown ? `one of revision ${shown.revision}` : "no row",
      why: "the next attempt is made on it, and costs no further read",
    });
  }),
);

check("conflict: nothing is made twice, nothing is removed that has changed", () =>
  withWorld(async ({ etcd }) => {
    const rows = new Rows(etcd);
    const made = await rows.create(KEY, Buffer.from("1"));
    const base = made.done ? made.revision : 0;
    const again = await rows.create(KEY, Buffer.from("2"));
    judge(!again.done, {
      when: `${KEY} is created, and it is there`,
      expected: "that nothing is written",
      happened: "it was written over",
      why: "a lock, a lease, a name: who creates first has it",
    });
    await rows.replace(KEY, base, Buffer.from("3"));
    const removed = await rows.remove(KEY, base);
    judge(!removed.done && (await rows.get(KEY)).row !== undefined, {
      when: `${KEY} is removed as of revision ${base}, and has changed since`,
      expected: "that it stays",
      happened: "it is gone",
      why: "a finalizer may have been added meanwhile: what it waits for would never be cleaned up",
    });
  }),
);

const add = (server: Resource) =>
  server.store.change<ConfigMap>(NAMESPACE, "a", (current) => {
    const object = { ...current!, data: { n: String(numberIn(current) + 1) } };
    return { do: "write", object };
  });

check("conflict: a change is computed anew on what is there", () =>
  withWorld(async (world) => {
    const servers = [world.server(), world.server()];
    await servers[0]!.store.create(mapOf("a"));
    const writers = Array.from({ length: 12 }, (_, i) => refusalOf(() => add(servers[i % 2]!)));
    const refused = (await Promise.all(writers)).filter(Boolean);
    const end = numberIn(await servers[0]!.store.get<ConfigMap>(NAMESPACE, "a"));
    judge(end === writers.length && refused.length === 0, {
      when: `${writers.length} writers on two servers add 1 each, all at once`,
      expected: `${writers.length}, and all have written`,
      happened: `${end}, and ${refused.length} were refused`,
      why: LOST,
    });
  }),
);

check("conflict: what a cached object refuses is asked of the store itself", () =>
  withWorld(async (world) => {
    const server = world.server();
    await server.store.create(mapOf("a", 1));
    const { row } = await server.store.rows.get(keyOf(server.kind, NAMESPACE, "a"));
    const cached = entryOfRow(server.kind, row!);
    await add(server);
    const seen: number[] = [];
    const refused = await refusalOf(() =>
      server.store.change<ConfigMap>(
        NAMESPACE,
        "a",
        (current) => {
          seen.push(numberIn(current));
          if (numberIn(current) === 1) throw badRequest("1 is not allowed");
          return { do: "write", object: { ...current!, data: { n: "9" } } };
        },
        { cached },
      ),
    );
    judge(refused === undefined && seen.join() === "1,2", {
      when: "the cache has 1, which the change refuses; the store has 2, which it does not",
      expected: "it is asked about 1, then about 2, and writes",
      happened: `it is asked about ${seen.join(", then ")}${refused ? ", and refuses" : ""}`,
      why: "a cache lags behind: what is refused because of the past must not be refused",
    });
  }),
);

check("conflict: who loses every time is told, and need not wait for ever", () =>
  withWorld(async (world) => {
    const [server, other] = [world.server(), world.server()];
    await server.store.create(mapOf("a"));
    let tries = 0;
    const refused = await refusalOf(() =>
      server.store.change<ConfigMap>(NAMESPACE, "a", async (current) => {
        tries++;
        await add(other);
        return { do: "write", object: { ...current!, data: { n: "own" } } };
      }),
    );
    judge(refused?.status.reason === "Conflict" && tries === UPDATE_ATTEMPTS_MAX, {
      when: "somebody else writes before each attempt",
      expected: `409 Conflict after ${UPDATE_ATTEMPTS_MAX} attempts`,
      happened: `${refused?.status.reason ?? "no refusal"} after ${tries} attempts`,
      why: "a retry without a bound is a server that is busy with nothing",
    });
  }),
);
