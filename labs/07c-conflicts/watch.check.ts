import { lateWatches } from "../apiserver/between.ts";
import { list, mapOf, refusalOf, withServers } from "../apiserver/config-map-servers.ts";
import { expectLines } from "../apiserver/expect-lines.ts";
import { watch } from "../apiserver/watch.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";

/** Delay of a cache behind its store. */
const LATE_MS = 20;
const INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

check("watch: without a revision it begins with the current objects", () =>
  withServers(async (servers) => {
    const server = servers.server();
    const a = await server.store.create(mapOf("a"));
    await list(server, "");
    const { lines } = await watch(server, "");
    await expectLines(lines, {
      when: "a watch without a resourceVersion, and one map exists",
      expected: [`ADDED a ${a.metadata.resourceVersion}`],
      why: "kubectl get -w without a revision shows the current objects first",
    });
  }),
);

check("watch: at 0 it begins with the current objects, too", () =>
  withServers(async (servers) => {
    const server = servers.server();
    const a = await server.store.create(mapOf("a"));
    const { lines } = await watch(server, "resourceVersion=0");
    await expectLines(lines, {
      when: "a watch with resourceVersion=0, and one map exists",
      expected: [`ADDED a ${a.metadata.resourceVersion}`],
      why: "0 means any state: not the changes since the store was created",
    });
  }),
);

check("watch: a server that has just started watches from an older revision", () =>
  withServers(async (servers) => {
    const [writer, started] = [servers.server(), servers.server()];
    const a = await writer.store.create(mapOf("a"));
    const b = await writer.store.create(mapOf("b"));
    const { resourceVersion: from } = a.metadata;
    const gone = await refusalOf(async () => {
      const { lines } = await watch(started, `resourceVersion=${from}`);
      await expectLines(lines, {
        when: `a is created at ${from}, then b; a server without a cache gets a watch from ${from}`,
        expected: [`ADDED b ${b.metadata.resourceVersion}`],
        why: "the client's list was answered by another server, or before a restart",
      });
    });
    judge(gone === undefined, {
      when: `a watch from ${from} to a server whose cache is not started yet`,
      expected: "a watch: its cache begins at this revision, which the store still has",
      happened: `${gone?.http} ${gone?.status.reason}`,
      why: "after a restart of the server all its clients would list at the same time",
    });
  }),
);

check("watch: initial events are not older than the revision that the client names", () =>
  withServers(async (servers) => {
    const [writer, server] = [servers.server(), servers.server(lateWatches(servers.etcd, LATE_MS))];
    await server.cache();
    for (let i = 0; i < 10; i++) {
      const { metadata } = await writer.store.create(mapOf(`m${i}`));
      const query = `${INITIAL}&resourceVersion=${metadata.resourceVersion}`;
      const { lines } = await watch(server, query);
      const objects = lines.filter((line) => line.startsWith("ADDED"));
      judge(objects.length === i + 1, {
        when: `${query}, the revision of map ${i + 1} at another server`,
        expected: `${i + 1} times ADDED`,
        happened: lines.join("; ") || "no lines",
        why: "the client has seen this revision: an older state would take it back in time",
      });
    }
    const { lines: held } = await watch(server, `${INITIAL}&resourceVersion=1`);
    judge(held.at(-1)?.endsWith(" end") === true, {
      when: "a watch of initial events from 1, which the cache is ahead of",
      expected: "a bookmark at the end of the initial events",
      happened: held.join("; ") || "no lines",
      why: "without the bookmark a client does not know when its copy is complete",
    });
    const ahead = await refusalOf(() => watch(server, `${INITIAL}&resourceVersion=999`));
    judge(ahead?.http === 504, {
      when: "a watch of initial events from 999, which the store has not reached",
      expected: "504 Timeout: Too large resource version",
      happened: ahead ? `${ahead.http} ${ahead.status.reason}` : "a watch",
      why: "on 504 the client asks again, perhaps another server",
    });
  }),
);

check("watch: initial events are as new as a list would be, and a bookmark ends them", () =>
  withServers(async (servers) => {
    const [writer, server] = [servers.server(), servers.server(lateWatches(servers.etcd, LATE_MS))];
    await server.cache();
    for (let i = 0; i < 10; i++) {
      const { metadata } = await writer.store.create(mapOf(`m${i}`));
      const { lines } = await watch(server, INITIAL);
      const revision = Number(metadata.resourceVersion);
      judge(lines.length === i + 2, {
        when: `a watch with sendInitialEvents, after map ${i + 1} was written at another server`,
        expected: `${i + 1} times ADDED, then the bookmark that ends them`,
        happened: lines.join("; "),
        why: "a reflector that lists by a watch must not get stale objects (KEP 3157)",
      });
      const [last = ""] = lines.slice(-1);
      judge(last.endsWith(" end") && Number(last.split(" ")[1]) >= revision, {
        when: "the initial events have all been sent",
        expected: `BOOKMARK at ${revision} or later, marked as the end of the initial events`,
        happened: last,
        why: "without the bookmark a client does not know when its copy is complete",
      });
    }
  }),
);
