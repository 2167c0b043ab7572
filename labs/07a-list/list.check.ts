import { kindOf } from "@raft2kube/api/kinds.ts";
import { STORE_PAGE_KEYS } from "@raft2kube/apiserver/limits.ts";
import { listFromStore } from "@raft2kube/apiserver/registry/list.ts";
import { type RevisionMatch, readListOptions } from "@raft2kube/apiserver/registry/list-options.ts";
import { selectionOf } from "@raft2kube/apiserver/registry/selection.ts";
import type { Resource } from "@raft2kube/apiserver/resource/resource.ts";
import { decodeContinue } from "@raft2kube/apiserver/storage/continue.ts";
import { pick, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { betweenReads, boundedReads, lateWatches, limitsAsked } from "../apiserver/between.ts";
import {
  type ConfigMapServers,
  list,
  mapOf,
  NAMESPACE,
  refusalOf,
  withServers,
} from "../apiserver/config-map-servers.ts";
import { check, checkOptions, repeatCommand, stillAtWork } from "../check.ts";
import { judge } from "../judge.ts";
import { mustPass } from "../must.ts";

/** How far a cache is behind its store. */
const LATE_MS = 20;
/** Reads of the store for all lists of a check: many more than they need. */
const READS_MAX = 200;

const NOT_OLDER = "resourceVersionMatch=NotOlderThan";

/** Queries and the match that they request (kubernetes.io, "API concepts", "Resource versions"). */
const MEANT: readonly (readonly [string, RevisionMatch])[] = [
  ["", { type: "newest" }],
  ["limit=2", { type: "newest" }],
  ["resourceVersion=0", { type: "any" }],
  ["resourceVersion=0&limit=2", { type: "any" }],
  ["resourceVersion=7", { type: "not-older-than", revision: 7 }],
  ["resourceVersion=7&limit=2", { type: "exact", revision: 7 }],
  ["resourceVersion=7&limit=0", { type: "not-older-than", revision: 7 }],
  [`resourceVersion=7&${NOT_OLDER}`, { type: "not-older-than", revision: 7 }],
  [`resourceVersion=7&${NOT_OLDER}&limit=2`, { type: "not-older-than", revision: 7 }],
  [`resourceVersion=0&${NOT_OLDER}`, { type: "any" }],
  ["resourceVersion=7&resourceVersionMatch=Exact", { type: "exact", revision: 7 }],
];

check("list: how resourceVersion and limit select a revision", () => {
  const configMaps = kindOf("", "v1", "ConfigMap")!;
  for (const [query, expected] of MEANT) {
    const { match } = readListOptions(configMaps, new URLSearchParams(query));
    judge(JSON.stringify(match) === JSON.stringify(expected), {
      when: `a list with "${query}"`,
      expected: JSON.stringify(expected),
      happened: JSON.stringify(match),
      why: "informers list at 0 to spare the store; pages at 7 must all be of revision 7",
    });
  }
});

check("list: without a resourceVersion it has the writes of another server", () =>
  withServers(async (servers) => {
    const [writer, reader] = [servers.server(), servers.server(lateWatches(servers.etcd, LATE_MS))];
    for (let i = 0; i < 10; i++) {
      const { metadata } = await writer.store.create(mapOf(`m${i}`));
      const { names, revision } = await list(reader, "");
      judge(names.length === i + 1 && revision >= Number(metadata.resourceVersion), {
        when: `map ${i + 1} was written at ${metadata.resourceVersion} through another server`,
        expected: `${i + 1} maps, at this revision or a later one`,
        happened: `${names.length} maps, at revision ${revision}`,
        why: "a client that lists after a write must find it, on every server",
      });
    }
  }),
);

check("list: at 0 any state is enough, without pages", () =>
  withServers(async (servers) => {
    const server = servers.server();
    for (const name of ["a", "b", "c"]) await server.store.create(mapOf(name));
    const { names, continue: token } = await list(server, "resourceVersion=0&limit=2");
    judge(names.join() === "a,b,c" && token === "", {
      when: "three maps are listed with resourceVersion=0&limit=2",
      expected: "a,b,c, without a continue token",
      happened: `${names.join()}${token ? ", and a token" : ""}`,
      why: "reading the whole cache is cheap, and a state of any revision has no next page",
    });
  }),
);

/** Random writes; returns the names after each, by revision. */
async function writeAtRandom(server: Resource, seed: number): Promise<Map<number, string[]>> {
  const random = seededRandom(seed);
  const states = new Map<number, string[]>();
  const names = new Set<string>();
  for (let i = 0; i < 30; i++) {
    const name = pick(random, ["a", "b", "c", "d", "e", "f", "g"]);
    const { object } = await server.store.change(NAMESPACE, name, (current) => {
      if (current && random.next() < 0.4) return { do: "delete", object: current };
      const object = current ? { ...current, data: { n: String(i) } } : mapOf(name, i);
      return { do: "write", object };
    });
    const there = (await server.store.find(NAMESPACE, name)) !== undefined;
    if (there) names.add(name);
    else names.delete(name);
    states.set(Number(object.metadata.resourceVersion), [...names].sort());
  }
  return states;
}

/** A limit above the number of objects in any of these lists. */
const PAGED_NAMES_MAX = 50;

interface Pages {
  readonly names: string[];
  /** A page's remaining count that was wrong. */
  readonly miscounted: string | undefined;
}

/** All pages of a list at a revision. */
async function pagesAt(server: Resource, at: number, limit: number): Promise<Pages> {
  const names: string[] = [];
  const counts: { after: number; remaining: number | undefined }[] = [];
  let query = `resourceVersion=${at}&resourceVersionMatch=Exact&limit=${limit}`;
  for (;;) {
    const page = await list(server, query);
    names.push(...page.names);
    judge(page.names.length <= limit && names.length <= PAGED_NAMES_MAX, {
      when: `page after page of ${limit} at revision ${at}`,
      expected: `at most ${limit} in each, and an end`,
      happened: `${page.names.length} in the last one, ${names.length} in all`,
      why: "a client sets the limit to bound its memory, and reads until there is no token",
    });
    if (page.continue === "") break;
    counts.push({ after: names.length, remaining: page.remaining });
    query = `limit=${limit}&continue=${page.continue}`;
  }
  const wrong = counts.find(({ after, remaining }) => after + (remaining ?? -1) !== names.length);
  const miscounted = wrong && `${wrong.remaining} remaining after ${wrong.after}`;
  return { names, miscounted };
}

check("list: a list of a past revision starts the cache too", () =>
  withServers(async (servers) => {
    const [writer, server] = [servers.server(), servers.server()];
    await writer.store.create(mapOf("a"));
    const revision = await writer.store.rows.revision();
    await writer.store.create(mapOf("b"));
    const query = `resourceVersion=${revision}&resourceVersionMatch=Exact`;
    await list(server, query);
    judge(server.startedCache !== undefined, {
      when: `the first list of a server is of revision ${revision}, before map b was created`,
      expected: "its cache is started (resource.cache()), though it cannot have that state",
      happened: "no cache is started",
      why: "a watch from the list's revision follows: the cache has to collect the events by then",
    });
  }),
);

const PAGES_AT = "list: pages at a revision show the state of that revision";

check(PAGES_AT, () =>
  withServers(async (servers) => {
    const { seed = 1 } = checkOptions();
    const [held, late] = [servers.server(), servers.server()];
    await held.cache();
    const states = await writeAtRandom(held, seed);
    const random = seededRandom(seed);
    for (const server of [held, late]) {
      stillAtWork();
      for (const [revision, expected] of states) {
        const limit = randomInteger(random, 1, 4);
        const { names, miscounted } = await pagesAt(server, revision, limit);
        judge(names.join() === expected.join() && miscounted === undefined, {
          when:
            `pages of ${limit} at revision ${revision}, seed ${seed}, from ` +
            (server === held ? "a cache that has it" : "the store: the cache began later"),
          expected: `${expected.join()}; ${expected.length} in all`,
          happened: `${names.join()}; ${miscounted ?? `${names.length} in all`}`,
          why: "pages of two revisions are a state that never existed: objects may be missed",
          repeat: repeatCommand(PAGES_AT, seed),
        });
      }
    }
  }),
);

/** All pages of a list, each as `a b, 3 remain`. */
async function pagesOf(server: Resource, first: string, next: string): Promise<string[]> {
  const pages: string[] = [];
  for (let token = ""; token !== "" || pages.length === 0; ) {
    const query = token === "" ? first : `${next}&continue=${token}`;
    const page = await list(server, query);
    const remain = page.remaining === undefined ? "" : `, ${page.remaining} remain`;
    pages.push(`${page.names.join(" ")}${remain}`);
    token = page.continue;
    if (pages.length > PAGED_NAMES_MAX) break;
  }
  return pages;
}

check("list: a limit counts the objects that match a selector", () =>
  withServers(async (servers) => {
    const [held, late] = [servers.server(), servers.server(boundedReads(servers.etcd, READS_MAX))];
    await held.cache();
    for (const name of ["a", "b", "c", "d", "e"]) await held.store.create(mapOf(name));
    const revision = await held.store.rows.revision();
    // A write after it: a server whose cache starts now does not have the state at `revision`.
    await held.store.create(mapOf("f"));
    const exact = `resourceVersion=${revision}&resourceVersionMatch=Exact`;
    const cases = [
      ["limit=2", "a b, 3 remain; c d, 1 remain; e"],
      ["limit=5", "a b c d e"],
      ["limit=2&fieldSelector=metadata.name!%3Db", "a c; d e"],
      ["limit=3&fieldSelector=metadata.name!%3Dc", "a b d; e"],
    ] as const;
    // The store's page may have a token here: it ends before the keys that do not match.
    const ofCache = [["limit=2&fieldSelector=metadata.name!%3De", "a b; c d"]] as const;
    for (const server of [held, late]) {
      for (const [query, expected] of server === held ? [...cases, ...ofCache] : cases) {
        const pages = (await pagesOf(server, `${exact}&${query}`, query)).join("; ");
        judge(pages === expected, {
          when:
            `maps a to e by pages of "${query}", from ` +
            (server === held ? "the cache" : "the store: the cache began later"),
          expected: `${expected}; with a selector the number of the remaining is unknown`,
          happened: pages,
          why: "kubectl shows pages as they come: a wrong count or a lost object misleads its user",
        });
      }
    }
  }),
);

/** More maps than a page of the store; between its pages one is deleted and one created. */
async function crowd(servers: ConfigMapServers): Promise<{ server: Resource; expected: string[] }> {
  const writer = servers.server();
  const expected = Array.from({ length: STORE_PAGE_KEYS + 2 }, (_, i) => `m${1_000 + i}`);
  await Promise.all(expected.map((name) => writer.store.create(mapOf(name))));
  let moved = false;
  const etcd = betweenReads(servers.etcd, async ({ more }) => {
    if (!more || moved) return;
    moved = true;
    const [first = ""] = expected;
    await writer.store.change(NAMESPACE, first, (object) => ({ do: "delete", object: object! }));
    await writer.store.create(mapOf("z"));
  });
  return { server: servers.server(etcd), expected };
}

const NAMED_MAX = 3;

function someOf(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  return `${names.slice(0, NAMED_MAX).join(" ")}${more > 0 ? ` and ${more} more` : ""}`;
}

check("list: the store's pages are of one revision, despite writes between them", () =>
  withServers(async (servers) => {
    const { server, expected } = await crowd(servers);
    const options = readListOptions(server.kind, new URLSearchParams());
    const selection = selectionOf(server.kind, NAMESPACE, options);
    const { entries } = await listFromStore(server, NAMESPACE, selection, options);
    const names = entries.map(({ name }) => name);
    const twice = names.filter((name, i) => names.indexOf(name) !== i);
    const missing = expected.filter((name) => !names.includes(name));
    judge(names.join() === expected.join(), {
      when: `${expected.length} maps by ${STORE_PAGE_KEYS}: ${expected[0]} is deleted, z created`,
      expected: `the ${expected.length} of the first page's revision`,
      happened: [
        `${names.length}, ${names.includes("z") ? "with" : "without"} z`,
        ...(twice.length > 0 ? [`twice: ${someOf(twice)}`] : []),
        ...(missing.length > 0 ? [`missing: ${someOf(missing)}`] : []),
      ].join("; "),
      why: "the list has one resourceVersion: a watch from there never corrects the error",
    });
  }),
);

check("list: no page of the store has more than STORE_PAGE_KEYS keys", () =>
  withServers(async (servers) => {
    const asked: number[] = [];
    const limits = limitsAsked(servers.etcd, (limit) => asked.push(limit));
    const server = servers.server(limits);
    await server.store.create(mapOf("a"));
    for (const limit of [0, 10 * STORE_PAGE_KEYS]) {
      const options = readListOptions(server.kind, new URLSearchParams({ limit: `${limit}` }));
      const selection = selectionOf(server.kind, NAMESPACE, options);
      await listFromStore(server, NAMESPACE, selection, options);
    }
    judge(asked.length > 0 && asked.every((limit) => limit > 0 && limit <= STORE_PAGE_KEYS), {
      when: `lists without a limit, and with a limit of ${10 * STORE_PAGE_KEYS}`,
      expected: `requests of 1 to ${STORE_PAGE_KEYS} keys to the store`,
      happened: `requests of ${asked.join(", ")} keys (0: all)`,
      why: "a range of everything stops the store's other requests, and fills its memory",
    });
  }),
);

check("list: a future revision is 504, a compacted one 410", () =>
  withServers(async (servers) => {
    const [server, late] = [servers.server(), servers.server()];
    for (const name of ["a", "b", "c", "d"]) await server.store.create(mapOf(name));
    const first = await list(server, "limit=2");
    for (const query of ["resourceVersion=999", "resourceVersion=999&resourceVersionMatch=Exact"]) {
      const ahead = await refusalOf(() => list(server, query));
      judge(ahead?.http === 504, {
        when: `a list with ${query}, while the store is at ${first.revision}`,
        expected: "504 Timeout: Too large resource version",
        happened: ahead ? `${ahead.http} ${ahead.status.reason}` : "a list",
        why: "the client knows a newer revision: this list would take it back in time",
      });
    }
    await late.store.create(mapOf("e"));
    await servers.etcd.compact({ revision: await server.store.rows.revision() });
    const gone = await refusalOf(() => list(late, `limit=2&continue=${first.continue}`));
    judge(gone?.http === 410, {
      when: `the next page of a list at ${first.revision}, which is compacted`,
      expected: "410 Expired",
      happened: gone ? `${gone.http} ${gone.status.reason}` : "a list",
      why: "on 410 a client lists again; other errors it retries without end",
    });
    const token = gone?.status.metadata.continue ?? "";
    const before = decodeContinue(first.continue).start;
    judge(token !== "" && decodeContinue(token).start.startsWith(before), {
      when: `the token of the 410, where the token of the request was after ${before.slice(0, -1)}`,
      expected: "a token from the same key",
      happened: token === "" ? "no token" : `from ${decodeContinue(token).start}`,
      why: "with it a client goes on: one from another key repeats objects or skips them",
    });
    const begun = `resourceVersion=${first.revision}&resourceVersionMatch=Exact`;
    const fresh = await refusalOf(() => list(late, begun));
    judge(fresh?.http === 410 && fresh.status.metadata.continue === undefined, {
      when: `a list with ${begun}, which is compacted`,
      expected: "410 Expired, without a token",
      happened: `${fresh?.http ?? "a list"}${fresh?.status.metadata.continue ? ", a token" : ""}`,
      why: "the client has no page yet: it begins again instead of a list of two states",
    });
    const rest = await mustPass(list(late, `limit=9&continue=${token}`), {
      when: "the list continues with the token of the 410",
      expected: "the rest of the list, at the newest revision",
      why: "a token of the compacted revision gets 410 again, without end",
    });
    judge(rest.names.join() === "c,d,e", {
      when: "the list continues with the token of the 410",
      expected: "c,d,e: the names after the last page, at the newest revision",
      happened: rest.names.join() || "no names",
      why: "a slow client still gets to the end of the list, though not of one revision",
    });
  }),
);
