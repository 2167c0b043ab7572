import { Feed, type FeedTarget } from "@raft2kube/apiserver/cache/feed.ts";
import type { Change } from "@raft2kube/apiserver/cache/watch-cache.ts";
import type { Entry } from "@raft2kube/apiserver/object/entry.ts";
import { STORE_PAGE_KEYS } from "@raft2kube/apiserver/limits.ts";
import { readWatchOptions } from "@raft2kube/apiserver/registry/list-options.ts";
import type { Resource } from "@raft2kube/apiserver/resource/resource.ts";
import { watchObjects } from "@raft2kube/apiserver/registry/watch.ts";
import { type Listener, inWords, listen } from "@raft2kube/apiserver/testing/watch-words.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { betweenReads, lateWatches } from "./between.ts";
import { expectLines } from "./expect-lines.ts";
import { NAMESPACE, type World, clock, list, mapOf, refusalOf, withWorld } from "./world.ts";

/** What a cache lags behind its store. */
const LATE_MS = 20;
const RUNNING = { closing: new AbortController().signal, clock, random: seededRandom(1) };

/** Watches as a request with this query would: `resourceVersion=7`. */
async function watch(server: Resource, query: string): Promise<Listener> {
  const options = readWatchOptions(server.kind, new URLSearchParams(query));
  const answer = await watchObjects(RUNNING, server, NAMESPACE, options, inWords);
  if (answer.type !== "watch") throw new TypeError(`a watch was answered by ${answer.type}`);
  return listen(answer.watcher);
}

const INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

check("watch: behind a list it misses nothing and repeats nothing", () =>
  withWorld(async (world) => {
    const [writer, server] = [world.server(), world.server()];
    await writer.store.create(mapOf("a"));
    const { revision } = await list(server, "");
    const b = await writer.store.create(mapOf("b"));
    const { lines } = await watch(server, `resourceVersion=${revision}`);
    const c = await writer.store.create(mapOf("c"));
    await expectLines(lines, {
      when: `a list at ${revision}, then b is made, then a watch from ${revision}, then c is made`,
      expected: [b, c].map(({ metadata: m }) => `ADDED ${m.name} ${m.resourceVersion}`),
      why: "list and watch is how every controller follows: a gap here is a pod nobody starts",
    });
  }),
);

check("watch: without a revision, what there is comes first", () =>
  withWorld(async (world) => {
    const server = world.server();
    const a = await server.store.create(mapOf("a"));
    await list(server, "");
    const { lines } = await watch(server, "");
    await expectLines(lines, {
      when: "a watch without a resourceVersion, and one map is there",
      expected: [`ADDED a ${a.metadata.resourceVersion}`],
      why: "kubectl get -w of nothing known begins with what is there",
    });
  }),
);

check("watch: initial events are as new as a list would be, and a bookmark ends them", () =>
  withWorld(async (world) => {
    const [writer, server] = [world.server(), world.server(lateWatches(world.etcd, LATE_MS))];
    await server.cache();
    for (let i = 0; i < 10; i++) {
      const { metadata } = await writer.store.create(mapOf(`m${i}`));
      const { lines } = await watch(server, INITIAL);
      const revision = Number(metadata.resourceVersion);
      judge(lines.length === i + 2, {
        when: `a watch with sendInitialEvents, after map ${i + 1} was written at another server`,
        expected: `${i + 1} times ADDED, then the bookmark that ends them`,
        happened: lines.join("; "),
        why: "a reflector that lists by watching must not begin in the past (KEP 3157)",
      });
      const [last = ""] = lines.slice(-1);
      judge(last.endsWith(" end") && Number(last.split(" ")[1]) >= revision, {
        when: "the initial events have all been sent",
        expected: `BOOKMARK at ${revision} or later, marked as the end of the initial events`,
        happened: last,
        why: "without it nobody knows when its copy is whole, and may act on it",
      });
    }
  }),
);

check("watch: of a revision that the cache no longer holds is 410", () =>
  withWorld(async (world) => {
    const [writer, server] = [world.server(), world.server()];
    const { metadata } = await writer.store.create(mapOf("a"));
    await writer.store.create(mapOf("b"));
    await server.cache();
    const gone = await refusalOf(() => {
      return watch(server, `resourceVersion=${metadata.resourceVersion}`);
    });
    judge(gone?.http === 410, {
      when: "a cache that began later is asked for a watch from before",
      expected: "410 Expired",
      happened: gone ? `${gone.http} ${gone.status.reason}` : "a watch",
      why: "it cannot tell what happened in between; told so, the client lists anew",
    });
  }),
);

/** Writes down what a feed does with its cache. */
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
    this.revision = change.revision;
    const name = change.type === "put" ? change.entry.name : change.key.split("/").at(-1);
    this.recorded.push(`${change.type} ${name} ${change.revision}`);
  }

  progress(revision: number): void {
    this.revision = Math.max(this.revision, revision);
  }
}

/** A feed into a recorder; closed when `body` ends. */
async function withFeed(
  world: World,
  server: Resource,
  body: (recorder: Recorder, feed: Feed) => Promise<void>,
  etcd = world.etcd,
): Promise<void> {
  const recorder = new Recorder();
  const feed = new Feed(server.store, etcd, recorder, { clock, since: undefined });
  try {
    await body(recorder, feed);
  } finally {
    await feed.close();
  }
}

check("feed: lists, then takes each change behind the list, once and in order", () =>
  withWorld(async (world) => {
    const server = world.server();
    await server.store.create(mapOf("a"));
    await withFeed(world, server, async ({ recorded }, feed) => {
      await feed.ready;
      const b = await server.store.create(mapOf("b"));
      const remove = (object: typeof b | undefined) => ({ do: "delete" as const, object: object! });
      const { object } = await server.store.change<typeof b>(NAMESPACE, "a", remove);
      await expectLines(recorded, {
        when: "a is there when the feed begins; then b is made and a removed",
        expected: [
          "listed a",
          `put b ${b.metadata.resourceVersion}`,
          `delete a ${object.metadata.resourceVersion}`,
        ],
        why: "one watch feeds the cache of all clients: what it misses, all miss",
      });
    });
  }),
);

check("feed: its pages are of one moment", () =>
  withWorld(async (world) => {
    const writer = world.server();
    const names = Array.from({ length: STORE_PAGE_KEYS + 2 }, (_, i) => `m${1_000 + i}`);
    await Promise.all(names.map((name) => writer.store.create(mapOf(name))));
    let made: string | undefined;
    const etcd = betweenReads(world.etcd, async ({ more }) => {
      if (!more || made !== undefined) return;
      made = "";
      made = (await writer.store.create(mapOf("z"))).metadata.resourceVersion;
    });
    await withFeed(world, world.server(etcd), async ({ recorded }) => {
      await expectLines(recorded, {
        when: `${names.length} maps are listed by ${STORE_PAGE_KEYS}; z is made between two pages`,
        expected: () => [`listed ${names.join()}`, `put z ${made}`],
        why: "listed at two revisions, the watch that follows tells it twice, or never",
      });
    });
  }),
);

check("feed: told that its revision is compacted, it lists anew", () =>
  withWorld(async (world) => {
    const writer = world.server();
    await writer.store.create(mapOf("a"));
    let done = false;
    // While the feed has its listing and no watch yet, all that would follow is dropped.
    const etcd = betweenReads(world.etcd, async () => {
      if (done) return;
      done = true;
      for (const name of ["b", "c"]) await writer.store.create(mapOf(name));
      await world.etcd.compact({ revision: await writer.store.rows.revision() });
    });
    const follow = async ({ recorded }: Recorder) => {
      await expectLines(recorded, {
        when: "between its list and its watch b and c are made, and the store is compacted",
        expected: ["listed a", "listed a,b,c"],
        why: "asking on for what is gone, it would show the past for ever, and say nothing",
      });
    };
    await withFeed(world, world.server(etcd), follow, etcd);
  }, /compacted|ended the watch/),
);

check("feed: proves that the cache misses nothing", () =>
  withWorld(async (world) => {
    const server = world.server();
    await server.store.create(mapOf("a"));
    const cache = await server.cache();
    await world.etcd.put({ key: Buffer.from("/other"), value: Buffer.from("x") });
    const fresh = await server.freshCache();
    judge(fresh === cache, {
      when: "something else has changed; the cache asks the store how far its watch is",
      expected: "that the store's answer moves the cache's revision on",
      happened: `it stays at ${cache.revision}, until patience ends`,
      why: "each list without a resourceVersion would be read from the store again",
    });
  }),
);
