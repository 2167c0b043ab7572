import {
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
} from "@raft2kube/proto/gen/etcd.ts";
import { KeyHistory } from "@raft2kube/store/mvcc/index/key-history.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { Applied, compact, put, putOf, read, remove, removeOf, txn } from "./state.ts";
import type { KvInput } from "../../testing/history/kv-model.ts";

interface Step {
  readonly what: string;
  readonly input: KvInput;
  readonly answer: string;
}

/** Does the steps on a new state; the first answer that is not as expected ends it. */
async function judgeSteps(steps: readonly Step[], why: string): Promise<void> {
  const applied = await Applied.open();
  const before: string[] = [];
  for (const { what, input, answer } of steps) {
    const happened = applied.do(input);
    judge(happened === answer, {
      when: `${what}${before.length > 0 ? `, after: ${before.join("; ")}` : ", on an empty store"}`,
      expected: answer,
      happened,
      why,
    });
    before.push(what);
  }
}

check("a key's life: created, written, deleted, created anew", () => {
  const key = new KeyHistory(2, 0);
  key.put(4, 0);
  key.tombstone(6, 0);
  key.put(9, 1);
  const cases = [
    [1, "nothing"],
    [2, "record 2.0, created 2, version 1"],
    [3, "record 2.0, created 2, version 1"],
    [5, "record 4.0, created 2, version 2"],
    [6, "nothing"],
    [8, "nothing"],
    [9, "record 9.1, created 9, version 1"],
    [20, "record 9.1, created 9, version 1"],
  ] as const;
  for (const [at, expected] of cases) {
    const point = key.get(at);
    const { main, sub, createRevision, version } = point ?? {};
    const happened = point
      ? `record ${main}.${sub}, created ${createRevision}, version ${version}`
      : "nothing";
    judge(happened === expected, {
      when: `written at 2 and 4, deleted at 6, written at 9; asked for revision ${at}`,
      expected,
      happened,
      why: "a read of an old revision is what makes a list and a watch fit together (S3)",
    });
  }
});

check("compaction keeps what a read at its revision or later can see", () => {
  const cases = [
    [5, "2.0", "4.0 is what a read at 5 sees"],
    [6, "2.0 4.0", "the tombstone exactly at 6 stays: a watch may start there"],
    [7, "2.0 4.0 6.0", "at 7 the key does not exist, and did not: its first life is forgotten"],
    [9, "2.0 4.0 6.0", "9.0 is what a read at 9 sees"],
  ] as const;
  for (const [at, expected, what] of cases) {
    const key = new KeyHistory(2, 0);
    key.put(4, 0);
    key.tombstone(6, 0);
    key.put(9, 0);
    const removed: string[] = [];
    const empty = key.compact(at, (main, sub) => void removed.push(`${main}.${sub}`));
    judge(removed.join(" ") === expected && !empty, {
      when: `written at 2 and 4, deleted at 6, written at 9; compacted at ${at} (${what})`,
      expected: `forgets ${expected}`,
      happened: `forgets ${removed.join(" ") || "nothing"}${empty ? ", and the key" : ""}`,
      why: "a record too few and a read fails; a record too many and the disk fills (S6)",
    });
  }
});

check("each change makes one revision, and an empty one makes none", () =>
  judgeSteps(
    [
      { what: "read a", input: read("a"), answer: "@1 0: " },
      { what: "put a x", input: put("a", "x"), answer: "@2 put" },
      { what: "put a y", input: put("a", "y"), answer: "@3 put" },
      { what: "read a", input: read("a"), answer: "@3 1: a=y 2/3/2" },
      { what: "read a at 2", input: read("a", 2), answer: "@3 1: a=x 2/2/1" },
      { what: "delete b", input: remove("b"), answer: "@3 deleted 0" },
      { what: "delete a", input: remove("a"), answer: "@4 deleted 1" },
      { what: "read a", input: read("a"), answer: "@4 0: " },
      { what: "put a z", input: put("a", "z"), answer: "@5 put" },
      { what: "read a", input: read("a"), answer: "@5 1: a=z 5/5/1" },
      { what: "read a at 3", input: read("a", 3), answer: "@5 1: a=y 2/3/2" },
    ],
    "clients take the revision for the one order of all changes (key=value create/mod/version)",
  ),
);

const isAbsent = (key: string) => ({
  key: Buffer.from(key),
  rangeEnd: Buffer.alloc(0),
  target: Target.VERSION,
  result: Result.EQUAL,
  version: 0,
});

check("a transaction is one revision, and sees what it has done", () => {
  const both = [
    { requestPut: putOf("a", "1") },
    { requestPut: putOf("b", "2") },
    { requestRange: (read("a", 0, "c") as Extract<KvInput, { kind: "range" }>).request },
    { requestDeleteRange: removeOf("a") },
  ];
  return judgeSteps(
    [
      {
        what: "txn: put a 1, put b 2, read a to c, delete a",
        input: txn({ success: both }),
        answer: "@2 then (put; put; 2: a=1 2/2/1, b=2 2/2/1; deleted 1)",
      },
      { what: "read a to c", input: read("a", 0, "c"), answer: "@2 1: b=2 2/2/1" },
      { what: "txn of nothing", input: txn({}), answer: "@2 then ()" },
      { what: "put c 3", input: put("c", "3"), answer: "@3 put" },
    ],
    "all of a transaction is seen, or nothing: one revision for all its changes (S3)",
  );
});

check("a transaction compares first, and then takes one branch", () => {
  const create = { compare: [isAbsent("a")], success: [{ requestPut: putOf("a", "mine") }] };
  const readA = (read("a") as Extract<KvInput, { kind: "range" }>).request;
  const nested = { ...create, failure: [{ requestRange: readA }] };
  return judgeSteps(
    [
      {
        what: "if a is absent: put a mine",
        input: txn({ ...create, failure: [] }),
        answer: "@2 then (put)",
      },
      {
        what: "if a is absent: put a mine, else read a",
        input: txn(nested),
        answer: "@2 else (1: a=mine 2/2/1)",
      },
      {
        what: "if b is absent: put b, and nested: if b is absent ...",
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
        what: "read a to d",
        input: read("a", 0, "d"),
        answer: "@3 3: a=mine 2/2/1, b=1 3/3/1, c=nested 3/3/1",
      },
    ],
    "Kubernetes' create is this transaction: if it compares late, two creates both succeed",
  );
});

check("what is compacted, and what is yet to come, is refused", () =>
  judgeSteps(
    [
      { what: "put a x", input: put("a", "x"), answer: "@2 put" },
      { what: "put a y", input: put("a", "y"), answer: "@3 put" },
      { what: "put a z", input: put("a", "z"), answer: "@4 put" },
      { what: "read a at 5", input: read("a", 5), answer: "!futureRevision" },
      { what: "compact at 5", input: compact(5), answer: "!futureRevision" },
      { what: "compact at 3", input: compact(3), answer: "@4 compacted" },
      { what: "compact at 3", input: compact(3), answer: "!compacted" },
      { what: "read a at 2", input: read("a", 2), answer: "!compacted" },
      { what: "read a at 3", input: read("a", 3), answer: "@4 1: a=y 2/3/2" },
      { what: "read a", input: read("a"), answer: "@4 1: a=z 2/4/3" },
    ],
    "a silent gap in what a client reads is worse than an error that makes it list anew (S6)",
  ),
);
