/** Words that must not name files or symbols below some folders, and the field's words. */
interface RetiredWords {
  readonly words: readonly string[];
  readonly instead: string;
  readonly folders: readonly string[];
}

/** Folders without any of the general words. */
const FINISHED = [
  "api",
  "base",
  "bench",
  "client",
  "controllers",
  "cli",
  "cni",
  "csi",
  "device",
  "dns",
  "kubelet",
  "labs",
  "proxy",
  "runtime",
  "scheduler",
  "store",
  "test/contract",
  "test/e2e",
  "test/fuzz",
  "test/guest",
  "test/sim",
  "testing",
];

export const RETIRED_WORDS: readonly RetiredWords[] = [
  {
    words: ["figure", "figures", "measures", "tally"],
    instead: "metrics, histogram, counter",
    folders: [...FINISHED, "apimachinery", "apiserver"],
  },
  {
    words: ["told", "tell", "tells", "teller", "story", "stories", "scene", "scenes"],
    instead: "recorded, recorder, report, case, transcript",
    folders: FINISHED,
  },
  {
    words: ["room", "rooms", "lane", "lanes", "door", "doors", "keeper", "keepers"],
    instead: "budget, offload, endpoint",
    folders: [...FINISHED, "apimachinery", "apiserver"],
  },
  {
    words: ["sealing", "guess", "guessed", "anew", "whoever"],
    instead: "encryption, cached, again, the member that ...",
    folders: [...FINISHED, "apimachinery", "apiserver"],
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
