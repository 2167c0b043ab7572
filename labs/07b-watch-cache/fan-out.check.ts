import { History } from "@raft2kube/apiserver/cache/history.ts";
import { EVERYTHING } from "@raft2kube/apiserver/cache/selection.ts";
import {
  HISTORY_BYTES_MAX,
  HISTORY_EVENTS_MAX,
  WATCHER_QUEUE_BYTES_MAX,
  WATCHER_QUEUE_EVENTS_MAX,
} from "@raft2kube/apiserver/limits.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { inWords, type Listener, listen } from "../../testing/apiserver/watch-words.ts";
import { orBroken } from "../apiserver/broken.ts";
import { clock, refusalOf } from "../apiserver/config-map-servers.ts";
import { expectLines } from "../apiserver/expect-lines.ts";
import { ALL, emptyCache, ofApp, onNode, podEntry, put, remove } from "../apiserver/objects.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { untilQuiet } from "../quiet.ts";

check("fan-out: a watch gets exactly the events after its revision", () =>
  orBroken(async () => {
    const cache = emptyCache();
    put(cache, "a", 2);
    put(cache, "b", 3);
    put(cache, "a", 4);
    const { lines } = listen(cache.watchFrom(ALL, 3));
    remove(cache, "b", 5);
    await expectLines(lines, {
      when: "a is created at 2, b at 3, a changed at 4; a watch from 3; b deleted at 5",
      expected: ["MODIFIED a 4", "DELETED b 5"],
      why: "the client has the state of its resourceVersion: it needs exactly the later events",
    });
  }),
);

check("fan-out: a watch with initial events begins with the current objects", () =>
  orBroken(async () => {
    const cache = emptyCache();
    put(cache, "b", 2);
    put(cache, "a", 3);
    const { lines } = listen(cache.watchAll(ALL, true));
    put(cache, "c", 4);
    await expectLines(lines, {
      when: "b is created at 2, a at 3; a watch with initial events; c is created at 4",
      expected: ["ADDED a 3", "ADDED b 2", "BOOKMARK 3 end", "ADDED c 4"],
      why: "the bookmark ends the initial events, as of revision 3: later events follow it",
    });
  }),
);

check("fan-out: a watch begins with the objects that its selector matches", () =>
  orBroken(async () => {
    const cache = emptyCache();
    put(cache, "a", 2, { app: "web" });
    put(cache, "b", 3, { app: "db" });
    const { lines } = listen(cache.watchAll({ ...ALL, selection: ofApp("web") }, false));
    put(cache, "c", 4, { app: "web" });
    await expectLines(lines, {
      when: "a is web, b is not; app=web is watched without a bookmark, then c created as web",
      expected: ["ADDED a 2", "ADDED c 4"],
      why: "a client that did not ask for the bookmark does not know it",
    });
  }),
);

check("fan-out: a watch of an object or a namespace gets its events, and no others", () =>
  orBroken(async () => {
    const cache = emptyCache();
    const isA = ({ name }: { name: string }) => name === "a";
    const cases = [
      [{ id: "lab/a", namespace: "lab", name: "a", matches: isA }, ["ADDED a 2"]],
      [{ id: "*/a", name: "a", matches: isA }, ["ADDED a 2"]],
      [{ id: "other/a", namespace: "other", name: "a", matches: isA }, []],
      [{ id: "lab", namespace: "lab" }, ["ADDED a 2", "ADDED b 3"]],
      [{ id: "other", namespace: "other" }, []],
    ] as const;
    const listeners = cases.map(([narrow]) => {
      return listen(cache.watchFrom({ ...ALL, selection: { ...EVERYTHING, ...narrow } }, 1));
    });
    put(cache, "a", 2);
    put(cache, "b", 3);
    await expectLines(listeners[3]!.lines, {
      when: "pods a and b are created in namespace lab; the namespace is watched",
      expected: ["ADDED a 2", "ADDED b 3"],
      why: "an informer of one namespace must not miss an object",
    });
    for (const [i, [{ id }, expected]] of cases.entries()) {
      await expectLines(listeners[i]!.lines, {
        when: `pods a and b are created in namespace lab; a watch of ${id} (*: every namespace)`,
        expected,
        why: "an event goes to the places whose watches it concerns: one forgotten, they miss it",
      });
    }
  }),
);

check("fan-out: listeners get each event, and the states of earlier revisions are kept", () =>
  orBroken(() => {
    const cache = emptyCache();
    const heard: string[] = [];
    cache.subscribe(({ type, entry }) => heard.push(`${type} ${entry.name}`));
    put(cache, "a", 2);
    put(cache, "b", 4);
    remove(cache, "a", 6);
    remove(cache, "unknown", 8);
    judge(heard.join(", ") === "ADDED a, ADDED b, DELETED a", {
      when: "a is created, b is created, a is deleted; a listener of the cache",
      expected: "ADDED a, ADDED b, DELETED a",
      happened: heard.join(", ") || "no event",
      why: "the server's own parts (admission, authorization) follow the cache as listeners",
    });
    for (const [revision, expected] of [
      [3, "a"],
      [5, "a,b"],
      [7, "b"],
      [8, "b"],
    ] as const) {
      const names = cache
        .stateAt(revision)
        ?.all()
        .map(({ name }) => name)
        .join();
      judge(names === expected, {
        when: `a is created at 2, b at 4, a deleted at 6, nothing at 8; the state at ${revision}`,
        expected,
        happened: names ?? "the cache does not have it",
        why: "pages of a list are of one revision: without its state the store must be asked",
      });
    }
    return Promise.resolve();
  }),
);

check("fan-out: the history counts the bytes of objects before and after a change", () => {
  const [grown, single] = [new History(0), new History(0)];
  const large = HISTORY_BYTES_MAX / 8;
  for (let revision = 1; revision <= 12; revision++) {
    const [entry, previous] = [podEntry("a", revision, {}), podEntry("a", revision, {}, large)];
    grown.push({ type: "MODIFIED", revision, entry, previous });
  }
  judge(grown.floor >= 5, {
    when: "12 changes of large objects to small ones, of which 8 fill the history's byte limit",
    expected: "the oldest are dropped: floor 5 or more",
    happened: `floor ${grown.floor}`,
    why: "a DELETED event for a selector needs the object before the change: it is in memory too",
  });
  for (let revision = 1; revision <= 3; revision++) {
    const entry = podEntry("a", revision, {}, HISTORY_BYTES_MAX + 1);
    single.push({ type: "MODIFIED", revision, entry, previous: undefined });
  }
  judge(single.floor === 2 && single.after(2).length === 1, {
    when: "three objects, each larger than the whole limit",
    expected: "the last event is kept: floor 2",
    happened: `floor ${single.floor}, ${single.size} events`,
    why: "without the newest event no watch could begin: each client would list without end",
  });
  for (let revision = 4; revision <= 40; revision++) {
    const entry = podEntry("b", revision, {}, 9);
    single.push({ type: "ADDED", revision, entry, previous: undefined });
  }
  const entry = podEntry("a", 41, {}, HISTORY_BYTES_MAX - 2_000);
  single.push({ type: "ADDED", revision: 41, entry, previous: undefined });
  judge(single.bytes <= HISTORY_BYTES_MAX, {
    when: "37 small objects, then one that is almost as large as the limit",
    expected: "as many events are dropped as it takes",
    happened: `${single.bytes} bytes are kept, the limit is ${HISTORY_BYTES_MAX}`,
    why: "the limit is the memory of one kind: a server has hundreds of kinds",
  });
});

check("fan-out: the history is bounded, and before it a watch is 410", () =>
  orBroken(async () => {
    const cache = emptyCache();
    for (let i = 0; i <= HISTORY_EVENTS_MAX; i++) put(cache, "a", 2 + i);
    const gone = await refusalOf(async () => cache.watchFrom(ALL, 1));
    judge(gone?.http === 410, {
      when: `${HISTORY_EVENTS_MAX + 1} changes, from revision 2 on; then a watch from revision 1`,
      expected: "410 Expired: the first event was dropped",
      happened: gone ? `${gone.http} ${gone.status.reason}` : "a watch",
      why: "after a silent gap a controller keeps a deleted object in its cache without end",
    });
    const { lines } = listen(cache.watchFrom(ALL, 2 + HISTORY_EVENTS_MAX - 1));
    await expectLines(lines, {
      when: "a watch from the last revision but one",
      expected: [`MODIFIED a ${2 + HISTORY_EVENTS_MAX}`],
      why: "a client that is only a little behind continues without a new list",
    });
    const [history, large] = [new History(0), HISTORY_BYTES_MAX / 8];
    for (let revision = 1; revision <= 12; revision++) {
      const entry = podEntry("a", revision, {}, large);
      history.push({ type: "MODIFIED", revision, entry, previous: entry });
    }
    judge(history.floor >= 5, {
      when: "12 events, of which 8 fill the history's byte limit",
      expected: "the oldest are dropped: floor 5 or more",
      happened: `floor ${history.floor}`,
      why: "ten thousand Secrets of 1 MB would fill the memory: the bound must count bytes too",
    });
  }),
);

check("fan-out: an object that begins or ceases to match is added or deleted", () =>
  orBroken(async () => {
    const cache = emptyCache();
    const { lines } = listen(cache.watchFrom({ ...ALL, selection: ofApp("web") }, 1));
    put(cache, "a", 2);
    put(cache, "a", 3, { app: "web" });
    put(cache, "a", 4, { app: "web" });
    put(cache, "a", 5, { app: "db" });
    remove(cache, "a", 6);
    put(cache, "b", 7, { app: "web" });
    remove(cache, "b", 8);
    await expectLines(lines, {
      when: "app=web is watched: a is created without, becomes web, changes, becomes db; b is web",
      expected: ["ADDED a 3", "MODIFIED a 4", "DELETED a 5", "ADDED b 7", "DELETED b 8"],
      why: "a controller that watches by label must see a relabelled pod as deleted",
    });
  }),
);

check("fan-out: each event is encoded once for each encoding", () =>
  orBroken(async () => {
    const cache = emptyCache();
    let encoded = 0;
    const encode: typeof inWords.encode = (item) => {
      encoded++;
      return inWords.encode(item);
    };
    const encoder = { ...inWords, encode };
    const shout = { ...inWords, id: "shouting", encode: () => Buffer.from("LOUD\n") };
    const selections = [ALL.selection, ALL.selection, ofApp("web"), ofApp("web")];
    const listeners = selections.map((selection) => {
      return listen(cache.watchFrom({ ...ALL, selection, encoder }, 1));
    });
    const loud = listen(cache.watchFrom({ ...ALL, encoder: shout }, 1));
    put(cache, "a", 2, { app: "web" });
    const when = "four watches in one encoding, two of them by label, and one in another encoding";
    const why = "each watcher gets the event in its own encoding";
    for (const { lines } of listeners) {
      await expectLines(lines, { when, expected: ["ADDED a 2"], why });
    }
    await expectLines(loud.lines, { when, expected: ["LOUD"], why });
    judge(encoded === 1, {
      when,
      expected: "the four get the same bytes, encoded once",
      happened: `encoded ${encoded} times`,
      why: "with 1,000 watchers of pods, each event costs one JSON.stringify instead of 1,000",
    });
    judge(cache.eventsSent === 5, {
      when,
      expected: "5 events are counted as sent",
      happened: `${cache.eventsSent}`,
      why: "the metric shows the cost of a change: how many clients it is sent to",
    });
  }),
);

check("fan-out: a pod's event is not evaluated for the kubelets of other nodes", () =>
  orBroken(async () => {
    const cache = emptyCache();
    let evaluated = 0;
    const kubelets = Array.from({ length: 200 }, (_, i) => {
      const selection = onNode(`n${i}`, () => evaluated++);
      return listen(cache.watchFrom({ ...ALL, selection }, 1));
    });
    put(cache, "a", 2);
    put(cache, "a", 3, { node: "n7" });
    put(cache, "a", 4, { node: "n8" });
    const why = "the old node must stop the pod and the new one start it: both need the event";
    const when = "200 kubelets watch; a pod is created, bound to n7, then on n8";
    await expectLines(kubelets[7]!.lines, { when, expected: ["ADDED a 3", "DELETED a 4"], why });
    await expectLines(kubelets[8]!.lines, { when, expected: ["ADDED a 4"], why });
    judge(evaluated <= 12 && kubelets.every(({ lines }, i) => i === 7 || i === 8 || !lines[0]), {
      when,
      expected: "only the selectors of n7's and n8's watches are evaluated",
      happened: `selectors were evaluated ${evaluated} times`,
      why: "with 5,000 nodes each pod's event would be evaluated 5,000 times",
    });
  }),
);

/** The events of an object that is created at 2 and changed at each later revision. */
function changesOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i ? "MODIFIED" : "ADDED"} a ${i + 2}`);
}

check("fan-out: a watcher that joins while events are pending gets each once", () =>
  orBroken(async () => {
    const cache = emptyCache();
    const listeners = [listen(cache.watchFrom(ALL, 1))];
    for (let revision = 2; revision < 12; revision++) {
      put(cache, "a", revision);
      listeners.push(listen(cache.watchFrom(ALL, 1)));
    }
    const expected = changesOf(10);
    for (const [i, { lines }] of listeners.entries()) {
      await expectLines(lines, {
        when: `ten changes in one turn of the loop; watcher ${i} joins from 1, after ${i} of them`,
        expected,
        why: "the history has sent the first ones: sent again, they take the watcher back in time",
      });
    }
  }),
);

/** Whether it ends. */
function ended(listener: Listener): Promise<boolean> {
  return untilQuiet(
    () => listener.ended !== undefined,
    () => listener.lines.length,
  );
}

check("fan-out: a watcher's queue is bounded in bytes, but takes one event of any size", () =>
  orBroken(async () => {
    const cache = emptyCache();
    let bytes = WATCHER_QUEUE_BYTES_MAX + 1;
    const encoder = { ...inWords, id: "large", encode: () => Buffer.alloc(bytes, "x") };
    const slow = listen(cache.watchFrom({ ...ALL, encoder }, 1), true);
    const first = () => slow.writes.length === 1;
    put(cache, "a", 2);
    await untilQuiet(first, () => slow.writes.length);
    put(cache, "a", 3);
    await untilQuiet(
      () => cache.eventsSent === 2,
      () => cache.eventsSent,
    );
    judge(first() && cache.watchers === 1, {
      when: "a watcher has read one event, and does not read the next, which is above the limit",
      expected: "it stays: one event is always queued",
      happened: `${slow.writes.length} events were read, ${cache.watchers} watchers are registered`,
      why: "each new watch of this client would be closed at this object",
    });
    bytes = 1_000;
    put(cache, "a", 4);
    await ended(slow);
    judge(cache.watchers === 0, {
      when: "a second event comes, and the watcher still does not read",
      expected: "it is closed and removed",
      happened: "it is kept",
      why: "the limit of events is not enough: each may have a megabyte",
    });
  }),
);

check("fan-out: a watcher that does not read is closed, the others miss no event", () =>
  orBroken(async () => {
    const cache = emptyCache();
    const slow = listen(cache.watchFrom(ALL, 1), true);
    const good = listen(cache.watchFrom(ALL, 1));
    const changes = WATCHER_QUEUE_EVENTS_MAX + 2;
    for (let i = 0; i < changes; i++) {
      put(cache, "a", 2 + i);
      if (i === 0) await waitFor("the first", () => slow.lines.length === 1, { clock });
    }
    const expected = changesOf(changes);
    await expectLines(good.lines, {
      when: `${changes} changes; one watcher reads, another does not`,
      expected,
      why: "a slow client must not delay other clients or lose their events",
    });
    const cut = (await ended(slow)) && slow.ended?.whole === false;
    judge(cut && cache.watchers === 1, {
      when: `a watcher reads one chunk of ${changes} changes, then stops`,
      expected: "it is closed and removed",
      happened: cut ? `${cache.watchers} watchers are registered` : "it is kept",
      why: "its queue would grow without bound; dropped events would be a silent gap",
      body: "deliver",
    });
  }),
);
