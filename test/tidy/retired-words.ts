/** Words that must not name files or symbols, and the field's words. */
interface RetiredWords {
  /** A word, or several that follow each other in a name, joined by hyphens. */
  readonly words: readonly string[];
  readonly instead: string;
  /** Folders or files; everywhere if absent. */
  readonly folders?: readonly string[];
}

export const RETIRED_WORDS: readonly RetiredWords[] = [
  { words: ["figure", "figures", "measures", "tally"], instead: "metrics, histogram, counter" },
  {
    words: ["told", "tell", "tells", "teller", "story", "stories", "scene", "scenes"],
    instead: "recorded, recorder, report, case, transcript",
  },
  {
    words: ["room", "rooms", "lane", "lanes", "door", "doors", "keeper", "keepers"],
    instead: "budget, offload, endpoint",
  },
  {
    words: ["sealing", "guess", "guessed", "anew", "whoever"],
    instead: "encryption, cached, again, the member that ...",
  },
  {
    words: ["note-use", "own-write", "own-writes", "track-write", "track-writes"],
    instead: "token-usage, internal-write, managed-fields",
  },
  {
    words: ["spread", "spreads"],
    instead: "histogram, counter",
    folders: ["apiserver", "base/observe", "controllers/metrics", "kubelet", "store"],
  },
  {
    words: ["counts"],
    instead: "metrics, counters",
    folders: ["apiserver", "base/observe", "controllers/metrics", "store/metrics", "store/mvcc"],
  },
  { words: ["quiet"], instead: "idle", folders: ["apiserver", "cli/store", "store", "base/std"] },
  { words: ["rounds"], instead: "periodic, repairs, scrapes", folders: ["apiserver"] },
  {
    words: ["held"],
    instead: "cached",
    folders: ["apiserver/cache", "apiserver/registry/list.ts"],
  },
  {
    words: ["slot", "slots", "life", "lives", "office", "happening", "happenings"],
    instead: "entry, generation, term or leadership, event",
    folders: ["labs", "test/sim", "testing"],
  },
  {
    words: ["opinion", "opinions", "consider", "crowded", "unfit", "wish", "wishes", "promised"],
    instead: "the extension point, Status, Unschedulable, preferred term, nominated",
    folders: ["scheduler"],
  },
  {
    words: ["hide", "front", "fronts", "near", "leads", "claims", "ledger", "here", "everywhere"],
    instead: "masquerade, frontend, local, the name of upstream's chain",
    folders: ["proxy"],
  },
  {
    words: ["slot", "slots", "life", "lives", "office", "nobody"],
    instead: "entry, generation, term or leadership, anonymous",
    folders: ["store/auth", "store/core", "store/etcd", "store/mvcc", "store/node"],
  },
];
