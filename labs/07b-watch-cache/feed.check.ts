import { Feed, type FeedTarget } from "@raft2kube/apiserver/cache/feed.ts";
import type { Change } from "@raft2kube/apiserver/cache/watch-cache.ts";
import { STORE_PAGE_KEYS } from "@raft2kube/apiserver/limits.ts";
import type { Entry } from "@raft2kube/apiserver/object/entry.ts";
import type { Resource } from "@raft2kube/apiserver/resource/resource.ts";
import { betweenReads, canceledOnce, splitWatches } from "../apiserver/between.ts";
import {
  type ConfigMapServers,
  clock,
  list,
  mapOf,
  NAMESPACE,
  withServers,
} from "../apiserver/config-map-servers.ts";
import { expectLines } from "../apiserver/expect-lines.ts";
import { watch } from "../apiserver/watch.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { untilQuiet } from "../quiet.ts";

check("watch: after a list it misses no event and repeats none", () =>
  withServers(async (servers) => {
    const [writer, server] = [servers.server(), servers.server()];
    await writer.store.create(mapOf("a"));
    const { revision } = await list(server, "");
    const b = await writer.store.create(mapOf("b"));
    const { lines } = await watch(server, `resourceVersion=${revision}`);
    const c = await writer.store.create(mapOf("c"));
    await expectLines(lines, {
      when: `a list at ${revision}; b is created; a watch from ${revision}; c is created`,
      expected: [b, c].map(({ metadata: m }) => `ADDED ${m.name} ${m.resourceVersion}`),
      why: "every controller lists and watches: after a gap a pod may never be started",
    });
  }),
);

check("watch: from a revision before the cache's history is 410", () =>
  withServers(async (servers) => {
    const [writer, server] = [servers.server(), servers.server()];
    const { metadata } = await writer.store.create(mapOf("a"));
    await writer.store.create(mapOf("b"));
    await server.cache();
    const { lines } = await watch(server, `resourceVersion=${metadata.resourceVersion}`);
    await expectLines(lines, {
      when: "a cache that began later is asked for a watch from before",
      expected: ["ERROR Expired"],
      why: "the cache does not have the events between; on 410 the client lists again",
    });
  }),
);

/** Records the calls of a feed to its cache. */
class Recorder implements FeedTarget {
  revision = 0;
  readonly recorded: string[] = [];

  moved(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
  }

  reset(listing: readonly Entry[], revision: number): void {
    this.revision = revision;
    this.recorded.push(`listed ${listing.map(({ name }) => name).join()}`);
  }

  apply(change: Change): void {
    const isLate = change.revision <= this.revision;
    this.revision = Math.max(this.revision, change.revision);
    const name = change.type === "put" ? change.entry.name : change.key.split("/").at(-1);
    const late = isLate ? `, after the cache was said to be at ${this.revision}` : "";
    this.recorded.push(`${change.type} ${name} ${change.revision}${late}`);
  }

  progress(revision: number): void {
    this.revision = Math.max(this.revision, revision);
  }
}

/** A feed into a recorder; closed when `body` ends. */
async function withFeed(
  servers: ConfigMapServers,
  server: Resource,
  body: (recorder: Recorder, feed: Feed) => Promise<void>,
  etcd = servers.etcd,
): Promise<void> {
  const recorder = new Recorder();
  const feed = new Feed(server.store, etcd, recorder, { clock, since: undefined });
  try {
    await body(recorder, feed);
  } finally {
    await feed.close();
  }
}

check("feed: lists, then applies each later change once and in order", () =>
  withServers(async (servers) => {
    const server = servers.server();
    await server.store.create(mapOf("a"));
    await withFeed(servers, server, async ({ recorded }, feed) => {
      await feed.ready;
      const b = await server.store.create(mapOf("b"));
      const remove = (object: typeof b | undefined) => ({ do: "delete" as const, object: object! });
      const { object } = await server.store.change<typeof b>(NAMESPACE, "a", remove);
      await expectLines(recorded, {
        when: "a exists when the feed starts; then b is created and a deleted",
        expected: [
          "listed a",
          `put b ${b.metadata.resourceVersion}`,
          `delete a ${object.metadata.resourceVersion}`,
        ],
        why: "one watch feeds the cache of all clients: an event that it misses, all miss",
      });
    });
  }),
);

check("feed: the cache's revision is never ahead of an event", () =>
  withServers(async (servers) => {
    const writer = servers.server();
    await writer.store.create(mapOf("a"));
    const made: string[] = [];
    // Written after the feed's list: its watch starts in the past, and catches up.
    const etcd = betweenReads(splitWatches(servers.etcd), async () => {
      for (const name of made.length > 0 ? [] : ["b", "c", "d"]) {
        const { metadata } = await writer.store.create(mapOf(name));
        made.push(`put ${name} ${metadata.resourceVersion}`);
      }
    });
    const follow = async ({ recorded }: Recorder) => {
      await expectLines(recorded, {
        when: "b, c and d are created between the feed's list and its watch",
        expected: () => ["listed a", ...made],
        why: "at a revision whose events are missing a list is wrong, and waits for nothing",
      });
    };
    await withFeed(servers, servers.server(etcd), follow, etcd);
  }),
);

check("feed: watches again after the store has ended its watch", () =>
  withServers(async (servers) => {
    const server = servers.server();
    await server.store.create(mapOf("a"));
    const follow = async ({ recorded }: Recorder, feed: Feed) => {
      await feed.ready;
      const b = await server.store.create(mapOf("b"));
      await expectLines(recorded, {
        when: "the feed's first watch is canceled, without a compaction; b is created",
        expected: ["listed a", `put b ${b.metadata.resourceVersion}`],
        why: "no event comes on a canceled watch: the cache would be stale without a sign of it",
      });
    };
    await withFeed(servers, server, follow, canceledOnce(servers.etcd));
  }, /permission denied/),
);

check("feed: its pages are of one revision", () =>
  withServers(async (servers) => {
    const writer = servers.server();
    const names = Array.from({ length: STORE_PAGE_KEYS + 2 }, (_, i) => `m${1_000 + i}`);
    await Promise.all(names.map((name) => writer.store.create(mapOf(name))));
    let made: string | undefined;
    const etcd = betweenReads(servers.etcd, async ({ more }) => {
      if (!more || made !== undefined) return;
      made = "";
      made = (await writer.store.create(mapOf("z"))).metadata.resourceVersion;
    });
    await withFeed(servers, servers.server(etcd), async ({ recorded }) => {
      await expectLines(recorded, {
        when: `${names.length} maps are listed by ${STORE_PAGE_KEYS}; z is created between pages`,
        expected: () => [`listed ${names.join()}`, `put z ${made}`],
        why: "with pages of two revisions, the following watch repeats z or misses it",
      });
    });
  }),
);

check("feed: lists again after a compaction", () =>
  withServers(async (servers) => {
    const writer = servers.server();
    await writer.store.create(mapOf("a"));
    let done = false;
    // Compacts the following events after the feed's list, before its watch.
    const etcd = betweenReads(servers.etcd, async () => {
      if (done) return;
      done = true;
      for (const name of ["b", "c"]) await writer.store.create(mapOf(name));
      await servers.etcd.compact({ revision: await writer.store.rows.revision() });
    });
    const follow = async ({ recorded }: Recorder) => {
      await expectLines(recorded, {
        when: "between its list and its watch b and c are created, and the store is compacted",
        expected: ["listed a", "listed a,b,c"],
        why: "a watch of compacted events never succeeds: the cache would stay stale",
      });
    };
    await withFeed(servers, servers.server(etcd), follow, etcd);
  }, /compacted/),
);

check("feed: progress responses advance the cache's revision", () =>
  withServers(async (servers) => {
    const server = servers.server();
    await server.store.create(mapOf("a"));
    const cache = await server.cache();
    await servers.etcd.put({ key: Buffer.from("/other"), value: Buffer.from("x") });
    let fresh: unknown;
    const asked = server.freshCache().then((found) => (fresh = found));
    const came = untilQuiet(
      () => fresh !== undefined,
      () => cache.revision,
    );
    await Promise.race([asked, came]);
    judge(fresh === cache, {
      when: "another key has changed; the cache requests the progress of its watch",
      expected: "the progress response advances the cache's revision",
      happened: `it stays at ${cache.revision}`,
      why: "otherwise each list without a resourceVersion is read from the store",
    });
  }),
);
