import type { WatchStreamQueue } from "@raft2kube/store/mvcc/watch/stream-queue.ts";
import type { Watcher } from "@raft2kube/store/mvcc/watch/watcher.ts";
import type { Generation } from "../cluster/generation.ts";
import type { Mutant } from "./mutant.ts";

/** Called for each new watch. */
function onAdd(see: (watcher: Watcher, generation: Generation) => void) {
  return (generation: Generation) => {
    const { watches } = generation;
    const add = watches.add.bind(watches);
    watches.add = (watcher) => {
      see(watcher, generation);
      add(watcher);
    };
  };
}

function skipSomeEvents({ state, watches }: Generation): void {
  const notify = watches.notify.bind(watches);
  watches.notify = (changes) => {
    if (state.revision % 31 !== 0) notify(changes);
  };
}

/** Events for a full stream are dropped, and the watch continues after them. */
function dropWhatDoesNotFit(watcher: Watcher): void {
  let { behind, nextRevision } = watcher;
  let filled = false;
  Object.defineProperties(watcher, {
    behind: {
      get: () => behind,
      set: (now: boolean) => {
        filled = now && !behind && watcher.stream.full;
        behind = now;
      },
    },
    nextRevision: {
      get: () => nextRevision,
      set: (next: number) => {
        nextRevision = filled ? next + 1 : next;
        filled = false;
      },
    },
  });
}

/** Makes watches start a few revisions earlier after a snapshot replaced the state. */
function rewindOnReplacement(generation: Generation): void {
  const { watches } = generation;
  const all: Watcher[] = [];
  onAdd((watcher) => all.push(watcher))(generation);
  const replaced = watches.replaced.bind(watches);
  watches.replaced = (before) => {
    for (const watcher of all) {
      if (!watcher.behind) watcher.nextRevision = Math.max(1, before - 5);
    }
    replaced(Math.max(0, before - 6));
  };
}

/** A tombstone at the compact revision is removed with it, not by the next compaction. */
function compactDeletions({ state }: Generation): void {
  const compact = state.index.compact.bind(state.index);
  const gone = new Set<string>();
  state.index.compact = (at, after, max, removed) => {
    const once: typeof removed = (main, sub, tombstone) => {
      const name = `${main}/${sub}`;
      if (!gone.has(name)) removed(main, sub, tombstone);
      gone.add(name);
    };
    state.recent.changes(at)?.forEach((change, sub) => {
      if (change.deleted) once(at, sub, true);
    });
    return compact(at, after, max, once);
  };
}

/** Idle watches get progress, regardless of their start revision. */
function noticeEarlyWatches({ watches }: Generation): void {
  const streams: WatchStreamQueue[] = [];
  const openStream = watches.openStream.bind(watches);
  watches.openStream = () => {
    const stream = openStream();
    streams.push(stream);
    return stream;
  };
  watches.notifyProgress = () => {
    for (const stream of streams) {
      for (const watcher of watches.watchers(stream).values()) {
        const due = watcher.progressNotify && watcher.idle && !watcher.behind;
        watcher.idle = true;
        if (due && !stream.full) stream.push(watches.response(watcher.id, {}), 64);
      }
    }
  };
}

export const WATCH_MUTANTS: readonly Mutant[] = [
  {
    name: "loses some events of a watch",
    breaks: "S5",
    noticedBy: ["watch", "informer"],
    seams: { generation: skipSomeEvents },
  },
  {
    name: "sends progress while events are pending",
    breaks: "S5",
    noticedBy: ["watch", "informer", "time travel"],
    seen: "etcd #15220",
    seams: {
      generation: ({ watches }: Generation) => {
        watches.answerProgress = (stream) => {
          if (!stream.progressWanted) return;
          stream.progressWanted = false;
          stream.push(watches.response(-1n, {}), 0);
        };
      },
    },
  },
  {
    name: "repeats events after a snapshot from the leader",
    breaks: "S5",
    noticedBy: ["watch", "informer", "time travel"],
    seen: "etcd #15271",
    seams: { generation: rewindOnReplacement },
  },
  {
    name: "drops events of a full stream",
    breaks: "S5",
    noticedBy: ["watch", "informer"],
    seen: "etcd #17529",
    seams: { generation: onAdd(dropWhatDoesNotFit) },
  },
  {
    name: "compacts a tombstone at the compact revision",
    breaks: "S5",
    noticedBy: ["watch", "state agreement", "linearizability"],
    seen: "etcd #18089",
    seams: { generation: compactDeletions },
  },
  {
    name: "begins a watch at the compact revision one revision too late",
    breaks: "S5, S6",
    noticedBy: ["watch", "informer"],
    seen: "etcd #19179",
    seams: {
      generation: onAdd((watcher, { state }) => {
        if (watcher.nextRevision === state.compactRevision) watcher.nextRevision++;
      }),
    },
  },
  {
    name: "sends a watch of a future revision earlier events",
    breaks: "S5",
    noticedBy: ["watch", "informer", "time travel"],
    seen: "etcd #20221",
    seams: {
      generation: onAdd((watcher, { state }) => {
        watcher.nextRevision = Math.min(watcher.nextRevision, state.revision + 1);
      }),
    },
  },
  {
    name: "sends a watch of a future revision earlier progress",
    breaks: "S5, K1",
    noticedBy: ["time travel", "watch"],
    seams: { generation: noticeEarlyWatches },
  },
];
