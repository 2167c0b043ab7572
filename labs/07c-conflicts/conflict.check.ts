import type { ConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import { entryOfRow } from "@raft2kube/apiserver/cache/entry-of-row.ts";
import { UPDATE_ATTEMPTS_MAX } from "@raft2kube/apiserver/limits.ts";
import type { Resource } from "@raft2kube/apiserver/resource/resource.ts";
import { keyOf } from "@raft2kube/apiserver/storage/keys.ts";
import { Rows } from "@raft2kube/apiserver/storage/rows.ts";
import {
  mapOf,
  NAMESPACE,
  numberIn,
  refusalOf,
  withServers,
} from "../apiserver/config-map-servers.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";

const KEY = "/registry/configmaps/lab/a";
const LOST = "a write is lost without an error (API conventions: optimistic concurrency control)";

check("conflict: of two writers of the same revision, one succeeds", () =>
  withServers(async ({ etcd }) => {
    const rows = new Rows(etcd);
    const made = await rows.create(KEY, Buffer.from("made"));
    const base = made.done ? made.revision : 0;
    const first = await rows.replace(KEY, base, Buffer.from("first"));
    const second = await rows.replace(KEY, base, Buffer.from("second"));
    const { row } = await rows.get(KEY);
    judge(first.done && !second.done && row?.value.toString() === "first", {
      when: `two writers replace ${KEY}, both having read revision ${base}`,
      expected: `the first succeeds, the second fails: "first" stays`,
      happened: `the second ${second.done ? "succeeds" : "fails"}: "${row?.value.toString()}"`,
      why: LOST,
    });
    const shown = second.done ? undefined : second.current;
    judge(shown?.value.toString() === "first" && shown.revision === row?.revision, {
      when: "a write fails, because another one was faster",
      expected: `the current row, of revision ${row?.revision}`,
      happened: shown ? `a row of revision ${shown.revision}` : "no row",
      why: "the next attempt uses it, without another read",
    });
  }),
);

check("conflict: no object is created twice, no changed one is deleted", () =>
  withServers(async ({ etcd }) => {
    const rows = new Rows(etcd);
    const made = await rows.create(KEY, Buffer.from("1"));
    const base = made.done ? made.revision : 0;
    const again = await rows.create(KEY, Buffer.from("2"));
    judge(!again.done, {
      when: `${KEY} is created, and exists already`,
      expected: "no write",
      happened: "it was overwritten",
      why: "create is how a client acquires a lock, a lease or a name: only one may succeed",
    });
    await rows.replace(KEY, base, Buffer.from("3"));
    const removed = await rows.remove(KEY, base);
    judge(!removed.done && (await rows.get(KEY)).row !== undefined, {
      when: `${KEY} is deleted at revision ${base}, and has changed since`,
      expected: "it is not deleted",
      happened: "it is deleted",
      why: "a finalizer may have been added meanwhile, and its cleanup would never run",
    });
  }),
);

const add = (server: Resource) =>
  server.store.change<ConfigMap>(NAMESPACE, "a", (current) => {
    const object = { ...current!, data: { n: String(numberIn(current) + 1) } };
    return { do: "write", object };
  });

check("conflict: a retried change is computed again from the current object", () =>
  withServers(async (maps) => {
    const servers = [maps.server(), maps.server()];
    await servers[0]!.store.create(mapOf("a"));
    const writers = Array.from({ length: 12 }, (_, i) => refusalOf(() => add(servers[i % 2]!)));
    const refused = (await Promise.all(writers)).filter(Boolean);
    const end = numberIn(await servers[0]!.store.get<ConfigMap>(NAMESPACE, "a"));
    judge(end === writers.length && refused.length === 0, {
      when: `${writers.length} concurrent writers on two servers add 1 each`,
      expected: `${writers.length}, and no error`,
      happened: `${end}, and ${refused.length} errors`,
      why: LOST,
    });
  }),
);

check("conflict: an error from a cached object is checked against the store", () =>
  withServers(async (maps) => {
    const server = maps.server();
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
      when: "the cache has 1, which the change rejects; the store has 2, which it accepts",
      expected: "it is called with 1, then with 2, and writes",
      happened: `it is called with ${seen.join(", then ")}${refused ? ", and fails" : ""}`,
      why: "a cache is behind the store: a stale object must not fail a valid request",
    });
  }),
);

check("conflict: an error from a cached object that is current is final", () =>
  withServers(async (maps) => {
    const server = maps.server();
    await server.store.create(mapOf("a", 1));
    const { row } = await server.store.rows.get(keyOf(server.kind, NAMESPACE, "a"));
    let calls = 0;
    const refused = await refusalOf(() =>
      server.store.change<ConfigMap>(
        NAMESPACE,
        "a",
        () => {
          calls++;
          throw badRequest("1 is not allowed");
        },
        { cached: entryOfRow(server.kind, row!) },
      ),
    );
    judge(refused?.http === 400 && calls === 1, {
      when: "the cache has the store's current object, which the change rejects",
      expected: "400, after one call",
      happened: `${refused?.http ?? "a write"}, after ${calls} calls`,
      why: "a change may call webhooks: each call takes seconds, and may have effects of its own",
    });
  }),
);

check("conflict: a change that conflicts each time fails after a bound", () =>
  withServers(async (maps) => {
    const [server, other] = [maps.server(), maps.server()];
    await server.store.create(mapOf("a"));
    let tries = 0;
    const refused = await refusalOf(() =>
      server.store.change<ConfigMap>(NAMESPACE, "a", async (current) => {
        if (++tries > UPDATE_ATTEMPTS_MAX) throw badRequest("one attempt too many");
        await add(other);
        return { do: "write", object: { ...current!, data: { n: "own" } } };
      }),
    );
    judge(refused?.status.reason === "Conflict" && tries === UPDATE_ATTEMPTS_MAX, {
      when: "another client writes before each attempt",
      expected: `409 Conflict after ${UPDATE_ATTEMPTS_MAX} attempts`,
      happened: `${refused?.status.reason ?? "no error"} in attempt ${tries}`,
      why: "unbounded retries keep the server busy without progress",
    });
  }),
);
