import type { WatchEncoder, WatchItem } from "@raft2kube/apiserver/cache/event.ts";
import type { Watcher } from "@raft2kube/apiserver/cache/watcher.ts";

/** Encodes items as lines that tests read: `MODIFIED web 12`. */
export const inWords: WatchEncoder = {
  id: "words",
  contentType: "text/plain",
  encode: (item) => Buffer.from(`${wordsOf(item)}\n`),
};

function wordsOf(item: WatchItem): string {
  if (item.type === "ERROR") return `ERROR ${item.status.reason}`;
  if (item.type === "BOOKMARK") {
    return `BOOKMARK ${item.revision}${item.initialEventsEnd ? " end" : ""}`;
  }
  const { resourceVersion } = item.entry.object().metadata;
  return `${item.type} ${item.entry.name} ${resourceVersion}`;
}

/** A reader that keeps what a watcher says. */
export interface Listener {
  /** The lines so far. */
  readonly lines: string[];
  /** Writes that carried them. */
  readonly writes: Buffer[];
  /** How it ended: `whole` is the watcher's argument; undefined before the end. */
  readonly ended: { whole: boolean } | undefined;
}

/** Reads a watcher whose encoder is `inWords`; accepts everything immediately unless `stalled`. */
export function listen(watcher: Watcher, stalled = false): Listener {
  const lines: string[] = [];
  const writes: Buffer[] = [];
  let ended: { whole: boolean } | undefined;
  watcher.attach({
    write: (bytes) => {
      writes.push(bytes);
      lines.push(...bytes.toString("utf8").trimEnd().split("\n"));
      return !stalled;
    },
    end: (whole) => (ended = { whole }),
  });
  return {
    lines,
    writes,
    get ended() {
      return ended;
    },
  };
}
