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
import { orBroken } from "./broken.ts";
import { expectLines } from "./expect-lines.ts";
import { ALL, emptyCache, ofApp, onNode, podEntry, put, remove } from "./objects.ts";
import { clock, refusalOf } from "./world.ts";

check("fan-out: a watch gets exactly what came behind its revision", () =>
  orBroken(async () => {
    const cache = emptyCache();
    put(cache, "a", 2);
    put(cache, "b", 3);
    put(cache, "a", 4);
    const { lines } = listen(cache.watchFrom(ALL, 3));
    remove(cache, "b", 5);
    await expectLines(lines, {
      when: "a is made at 2, b at 3, a changed at 4; a watch from 3; b removed at 5",
      expected: ["MODIFIED a 4", "DELETED b 5"],
      why: "resourceVersion means: I have seen this. Neither it again, nor less than all behind it",
    });
  }),
);

check("fan-out: a watch of everything begins with what is there", () =>
  orBroken(async () => {
    const cache = emptyCache();
    put(cache, "b", 2);
    put(cache, "a", 3);
    const { lines } = listen(cache.watchAll(ALL, true));
    put(cache, "c", 4);
    await expectLines(lines, {
      when: "b is made at 2, a at 3; a watch with initial events; c is made at 4",
      expected: ["ADDED a 3", "ADDED b 2", "BOOKMARK 3 end", "ADDED c 4"],
      why: "the bookmark says: your copy is whole, as of 3. What comes later must come behind it",
    });
  }),
);

check("fan-out: the history is bounded, and behind it a watch is 410", () =>
  orBroken(async () => {
    const cache = emptyCache();
    for (let i = 0; i <= HISTORY_EVENTS_MAX; i++) put(cache, "a", 2 + i);
    const gone = await refusalOf(async () => cache.watchFrom(ALL, 1));
    judge(gone?.http === 410, {
      when: `${HISTORY_EVENTS_MAX + 1} changes, from revision 2 on; then a watch from revision 1`,
      expected: "410 Expired: the first change is no longer held",
      happened: gone ? `${gone.http} ${gone.status.reason}` : "a watch",
      why: "a gap that nobody is told of is an object that stays in a controller's copy for ever",
    });
    const { lines } = listen(cache.watchFrom(ALL, 2 + HISTORY_EVENTS_MAX - 1));
    await expectLines(lines, {
      when: "a watch from the last revision but one",
      expected: [`MODIFIED a ${2 + HISTORY_EVENTS_MAX}`],
      why: "a reader that lags a little goes on, and costs no list",
    });
    const [history, large] = [new History(0), HISTORY_BYTES_MAX / 8];
    for (let revision = 1; revision <= 12; revision++) {
      const entry = podEntry("a", revision, {}, large);
      history.push({ type: "MODIFIED", revision, entry, previous: entry });
    }
    judge(history.floor >= 5, {
      when: "12 events, of which 8 fill the history's bytes",
      expected: "that the oldest are dropped, so that a watch may begin at 5 at the earliest",
      happened: `that it may begin at ${history.floor}`,
      why: "ten thousand small events are nothing, ten thousand Secrets of 1 MB are the memory",
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
      when: "app=web is watched: a is made without, becomes web, changes, becomes db; b is web",
      expected: ["ADDED a 3", "MODIFIED a 4", "DELETED a 5", "ADDED b 7", "DELETED b 8"],
      why: "a Service that watches its pods by label must lose the one that is relabelled",
    });
  }),
);

check("fan-out: each event is made into bytes once for a form, whoever gets it", () =>
  orBroken(async () => {
    const cache = emptyCache();
    let made = 0;
    const encode: typeof inWords.encode = (item) => {
      made++;
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
    const when = "four watch in one form, two of them by label, and one in another form";
    const why = "each sees it in its own form";
    for (const { lines } of listeners) {
      await expectLines(lines, { when, expected: ["ADDED a 2"], why });
    }
    await expectLines(loud.lines, { when, expected: ["LOUD"], why });
    judge(made === 1, {
      when,
      expected: "that the four get the same bytes, made once",
      happened: `they were made ${made} times`,
      why: "1,000 watchers of pods: one JSON.stringify, or 1,000",
    });
  }),
);

check("fan-out: a pod's event costs the kubelets of other nodes nothing", () =>
  orBroken(async () => {
    const cache = emptyCache();
    let asked = 0;
    const kubelets = Array.from({ length: 200 }, (_, i) => {
      const selection = onNode(`n${i}`, () => asked++);
      return listen(cache.watchFrom({ ...ALL, selection }, 1));
    });
    put(cache, "a", 2);
    put(cache, "a", 3, { node: "n7" });
    put(cache, "a", 4, { node: "n8" });
    const why = "the old node must stop it, the new one start it: both have to hear";
    const when = "200 kubelets watch; a pod is made, bound to n7, then shown on n8";
    await expectLines(kubelets[7]!.lines, { when, expected: ["ADDED a 3", "DELETED a 4"], why });
    await expectLines(kubelets[8]!.lines, { when, expected: ["ADDED a 4"], why });
    judge(asked <= 12 && kubelets.every(({ lines }, i) => i === 7 || i === 8 || !lines[0]), {
      when,
      expected: "that the watches of n7 and n8 are asked whether it is theirs, and no others",
      happened: `they were asked ${asked} times`,
      why: "5,000 nodes: each pod's event would be looked at 5,000 times",
    });
  }),
);

/** What is told of an object that is made at 2, and changed at each revision after it. */
function changesOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i ? "MODIFIED" : "ADDED"} a ${i + 2}`);
}

check("fan-out: who joins while events wait gets each of them once", () =>
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
        why: "the history told it of the first; told again by the channel, it goes back in time",
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

check("fan-out: who does not read is closed, and the others miss nothing", () =>
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
      why: "one client must not hold back, or take from, another",
    });
    const cut = (await ended(slow)) && slow.ended?.whole === false;
    judge(cut && cache.watchers === 1, {
      when: `a watcher takes one write, and then no more, of ${changes} changes`,
      expected: "that it is cut off and forgotten",
      happened: cut ? `${cache.watchers} watchers are known` : "it is kept",
      why: "what waits grows without end; left out instead, it would never know what it missed",
    });
  }),
);
