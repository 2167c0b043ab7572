import {
  HISTORY_BYTES_MAX,
  HISTORY_EVENTS_MAX,
  WATCHER_QUEUE_EVENTS_MAX,
} from "@raft2kube/apiserver/limits.ts";
import { History } from "@raft2kube/apiserver/cache/history.ts";
import { type Listener, inWords, listen } from "@raft2kube/apiserver/testing/watch-words.ts";
import { WaitTimeoutError, waitFor } from "@raft2kube/std/wait.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { orBroken } from "../apiserver/broken.ts";
import { expectLines } from "../apiserver/expect-lines.ts";
import { ALL, emptyCache, ofApp, onNode, podEntry, put, remove } from "../apiserver/objects.ts";
import { clock, refusalOf } from "../apiserver/world.ts";

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

/** Whether it ended in time. */
async function ended(listener: Listener): Promise<boolean> {
  try {
    return Boolean(await waitFor("its end", () => listener.ended, { clock, timeout_ms: 5_000 }));
  } catch (thrown) {
    if (thrown instanceof WaitTimeoutError) return false;
    throw thrown;
  }
}

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
    });
  }),
);
