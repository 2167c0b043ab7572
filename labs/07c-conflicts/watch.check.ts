import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { lateWatches } from "../apiserver/between.ts";
import { expectLines } from "../apiserver/expect-lines.ts";
import { watch } from "../apiserver/watch.ts";
import { list, mapOf, withWorld } from "../apiserver/world.ts";

/** Delay of a cache behind its store. */
const LATE_MS = 20;
const INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

check("watch: without a revision it begins with the current objects", () =>
  withWorld(async (world) => {
    const server = world.server();
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
