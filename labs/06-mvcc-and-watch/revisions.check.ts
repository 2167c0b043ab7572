import {
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
} from "@raft2kube/proto/gen/etcd.ts";
import { KeyHistory } from "@raft2kube/store/mvcc/index/key-history.ts";
import type { KvInput } from "../../testing/history/kv-model.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { Applied, compact, put, putOf, read, remove, removeOf, txn } from "./state.ts";

type Step = { readonly name: string; readonly input: KvInput; readonly answer: string };

/** Executes the steps on a new state; fails at the first unexpected response. */
async function judgeSteps(steps: readonly Step[], why: string): Promise<void> {
  const applied = await Applied.open();
  const before: string[] = [];
  for (const { name, input, answer } of steps) {
    const happened = applied.do(input);
    judge(happened === answer, {
      when: `${name}${before.length > 0 ? `, after: ${before.join("; ")}` : ", on an empty store"}`,
      expected: answer,
      happened,
      why,
    });
    before.push(name);
  }
}

check("a key's generations: created, updated, deleted, created again", () => {
  const key = new KeyHistory(2, 0);
  key.put(4, 0);
  key.tombstone(6, 0);
  key.put(9, 1);
  key.put(11, 0);
  key.tombstone(12, 0);
  key.put(15, 0);
  const cases = [
    [1, "no record"],
    [2, "record 2.0, created 2, version 1"],
    [3, "record 2.0, created 2, version 1"],
    [5, "record 4.0, created 2, version 2"],
    [6, "no record"],
    [8, "no record"],
    [9, "record 9.1, created 9, version 1"],
    [11, "record 11.0, created 9, version 2"],
    [14, "no record"],
    [20, "record 15.0, created 15, version 1"],
  ] as const;
  for (const [at, expected] of cases) {
    const point = key.get(at);
    const { main, sub, createRevision, version } = point ?? {};
    const happened = point
      ? `record ${main}.${sub}, created ${createRevision}, version ${version}`
      : "no record";
    judge(happened === expected, {
      when: `put at 2 4, deleted at 6, put at 9 11, deleted at 12, put at 15; read at ${at}`,
      expected,
      happened,
      why: "reads at an old revision make a list and its watch consistent (S3)",
    });
  }
});

check("compaction keeps every record that a read at its revision or later can see", () => {
  const cases = [
    [5, "2.0", "4.0 is what a read at 5 sees"],
    [6, "2.0 4.0", "the tombstone exactly at 6 stays: a watch may start there"],
    [7, "2.0 4.0 6.0t", "at 7 the key does not exist: its first generation is deleted"],
    [9, "2.0 4.0 6.0t", "9.0 is what a read at 9 sees"],
    [10, "2.0 4.0 6.0t", "9.0 is what a read at 10 sees: the key exists"],
  ] as const;
  for (const [at, expected, what] of cases) {
    const key = new KeyHistory(2, 0);
    key.put(4, 0);
    key.tombstone(6, 0);
    key.put(9, 0);
    const removed: string[] = [];
    const note = (main: number, sub: number, tombstone: boolean) =>
      void removed.push(`${main}.${sub}${tombstone ? "t" : ""}`);
    const empty = key.compact(at, note);
    judge(removed.join(" ") === expected && !empty, {
      when: `put at 2 and 4, deleted at 6, put at 9; compacted at ${at} (${what})`,
      expected: `deletes ${expected} (t: a tombstone)`,
      happened: `deletes ${removed.join(" ") || "no record"}${empty ? " and the key" : ""}`,
      why: "a deleted record that is needed fails a read; a kept one fills the disk (S6)",
    });
    removed.length = 0;
    key.compact(at, note);
    judge(removed.length === 0, {
      when: `compacted at ${at} a second time`,
      expected: "deletes nothing",
      happened: `deletes ${removed.join(" ")}`,
      why: "a history that keeps what was deleted fills the memory",
    });
  }
  const gone = new KeyHistory(2, 0);
  gone.tombstone(4, 0);
  const [before, after] = [4, 5].map((at) => gone.compact(at, () => undefined));
  judge(before === false && after === true, {
    when: "put at 2, deleted at 4; compacted at 4, then at 5: whether nothing is left of the key",
    expected: "false, then true",
    happened: `${before}, then ${after}`,
    why: "the index keeps every key of which something is left: deleted keys would fill the memory",
  });
});

check("each write creates one revision, and an empty one creates none", () =>
  judgeSteps(
    [
      { name: "read a", input: read("a"), answer: "@1 0: " },
      { name: "put a x", input: put("a", "x"), answer: "@2 put" },
      { name: "put a y", input: put("a", "y"), answer: "@3 put" },
      { name: "read a", input: read("a"), answer: "@3 1: a=y 2/3/2" },
      { name: "read a at 2", input: read("a", 2), answer: "@3 1: a=x 2/2/1" },
      { name: "delete b", input: remove("b"), answer: "@3 deleted 0" },
      { name: "delete a", input: remove("a"), answer: "@4 deleted 1" },
      { name: "read a", input: read("a"), answer: "@4 0: " },
      { name: "put a z", input: put("a", "z"), answer: "@5 put" },
      { name: "read a", input: read("a"), answer: "@5 1: a=z 5/5/1" },
      { name: "read a at 3", input: read("a", 3), answer: "@5 1: a=y 2/3/2" },
    ],
    "the revision is the order of all changes (key=value create/mod/version)",
  ),
);

const isAbsent = (key: string) => ({
  key: Buffer.from(key),
  rangeEnd: Buffer.alloc(0),
  target: Target.VERSION,
  result: Result.EQUAL,
  version: 0,
});

check("a transaction is one revision, and sees its own writes", () => {
  const both = [
    { requestPut: putOf("a", "1") },
    { requestPut: putOf("b", "2") },
    { requestRange: (read("a", 0, "c") as Extract<KvInput, { kind: "range" }>).request },
    { requestDeleteRange: removeOf("a") },
  ];
  return judgeSteps(
    [
      {
        name: "txn: put a 1, put b 2, read a to c, delete a",
        input: txn({ success: both }),
        answer: "@2 then (put; put; 2: a=1 2/2/1, b=2 2/2/1; deleted 1)",
      },
      { name: "read a to c", input: read("a", 0, "c"), answer: "@2 1: b=2 2/2/1" },
      { name: "txn of nothing", input: txn({}), answer: "@2 then ()" },
      { name: "put c 3", input: put("c", "3"), answer: "@3 put" },
    ],
    "a transaction is atomic: one revision for all its changes (S3)",
  );
});

const leased = (key: string, lease: bigint): KvInput => {
  return { kind: "put", request: { ...putOf(key, "x"), lease } };
};

check("a key is attached to the lease of its last put", () =>
  judgeSteps(
    [
      {
        name: "grant lease 7",
        input: { kind: "lease-grant", request: { ID: 7n, TTL: 60 } },
        answer: "@1 lease 7 for 60",
      },
      { name: "put a with lease 7", input: leased("a", 7n), answer: "@2 put" },
      { name: "put b with lease 7", input: leased("b", 7n), answer: "@3 put" },
      { name: "put b without", input: leased("b", 0n), answer: "@4 put" },
      { name: "read a", input: read("a"), answer: "@4 1: a=x 2/2/1 lease 7" },
      {
        name: "revoke lease 7",
        input: { kind: "lease-revoke", request: { ID: 7n } },
        answer: "@5 revoked",
      },
      { name: "read a to c", input: read("a", 0, "c"), answer: "@5 1: b=x 3/4/2" },
    ],
    "with its lease a key is deleted: a leader's lock must not outlive it, nothing else may go",
  ),
);

check("a transaction compares before it writes, then executes one branch", () => {
  const create = { compare: [isAbsent("a")], success: [{ requestPut: putOf("a", "mine") }] };
  const readA = (read("a") as Extract<KvInput, { kind: "range" }>).request;
  const nested = { ...create, failure: [{ requestRange: readA }] };
  const ofVersion1 = { ...isAbsent("a"), rangeEnd: Buffer.from("d"), version: 1 };
  const makeX = {
    compare: [isAbsent("x")],
    success: [{ requestPut: putOf("x", "1") }],
    failure: [],
  };
  return judgeSteps(
    [
      {
        name: "if a is absent: put a mine",
        input: txn({ ...create, failure: [] }),
        answer: "@2 then (put)",
      },
      {
        name: "if a is absent: put a mine, else read a",
        input: txn(nested),
        answer: "@2 else (1: a=mine 2/2/1)",
      },
      {
        name: "if b is absent: put b, and nested: if b is absent ...",
        input: txn({
          compare: [isAbsent("b")],
          success: [
            { requestPut: putOf("b", "1") },
            {
              requestTxn: {
                compare: [isAbsent("b")],
                success: [{ requestPut: putOf("c", "nested") }],
                failure: [],
              },
            },
          ],
        }),
        answer: "@3 then (put; then (put))",
      },
      {
        name: "read a to d",
        input: read("a", 0, "d"),
        answer: "@3 3: a=mine 2/2/1, b=1 3/3/1, c=nested 3/3/1",
      },
      {
        name: "if a and x are absent: put a, else nothing",
        input: txn({ compare: [isAbsent("x"), isAbsent("a")], success: create.success }),
        answer: "@3 else ()",
      },
      {
        name: "if every key of a to d has version 1: read a, else nothing",
        input: txn({ compare: [ofVersion1], success: [{ requestRange: readA }] }),
        answer: "@3 then (1: a=mine 2/2/1)",
      },
      { name: "put c 4", input: put("c", "4"), answer: "@4 put" },
      {
        name: "if every key of a to d has version 1: read a, else nothing",
        input: txn({ compare: [ofVersion1], success: [{ requestRange: readA }] }),
        answer: "@4 else ()",
      },
      {
        name: "two nested: if a is absent: put a, else nothing; if x is absent: put x",
        input: txn({
          success: [{ requestTxn: { ...nested, failure: [] } }, { requestTxn: makeX }],
        }),
        answer: "@5 then (else (); then (put))",
      },
    ],
    "Kubernetes' create is this transaction: if it compares too late, two creates succeed",
  );
});

check("compacted and future revisions are refused", () =>
  judgeSteps(
    [
      { name: "put a x", input: put("a", "x"), answer: "@2 put" },
      { name: "put a y", input: put("a", "y"), answer: "@3 put" },
      { name: "put a z", input: put("a", "z"), answer: "@4 put" },
      { name: "read a at 5", input: read("a", 5), answer: "!futureRevision" },
      { name: "compact at 5", input: compact(5), answer: "!futureRevision" },
      { name: "compact at 3", input: compact(3), answer: "@4 compacted" },
      { name: "compact at 3", input: compact(3), answer: "!compacted" },
      { name: "read a at 2", input: read("a", 2), answer: "!compacted" },
      { name: "read a at 3", input: read("a", 3), answer: "@4 1: a=y 2/3/2" },
      { name: "read a", input: read("a"), answer: "@4 1: a=z 2/4/3" },
    ],
    "a silent gap is worse for a client than an error, after which it lists again (S6)",
  ),
);
