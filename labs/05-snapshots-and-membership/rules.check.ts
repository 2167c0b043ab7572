import { LogEntries } from "@raft2kube/store/core/entries.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { entry } from "../raft/core.ts";
import { checkRules } from "../raft/rules.ts";

check("compaction deletes entries and keeps index and term of the last one as base", () => {
  const entries = new LogEntries({ index: 0, term: 0 }, [entry(1, 1), entry(2, 1), entry(3, 2)]);
  entries.compactTo(2);
  const { base, lastIndex } = entries;
  judge(base.index === 2 && base.term === 1 && lastIndex === 3, {
    when: "entries of terms 1 1 2, compacted to entry 2",
    expected: "base 2/1, last entry 3",
    happened: `base ${base.index}/${base.term}, last entry ${lastIndex}`,
    why: "the next append is compared with its previous entry, whose term must be known (Raft 7)",
  });
  judge(entries.entry(3)?.data.toString() === "3/2" && entries.entry(2) === undefined, {
    when: "entries 2 and 3 after the compaction",
    expected: "entry 3 unchanged, entry 2 deleted",
    happened: `entry 3 is "${entries.entry(3)?.data}", entry 2 "${entries.entry(2)?.data}"`,
    why: "an entry at a wrong index is another command",
  });
  entries.compactTo(1);
  judge(entries.base.index === 2, {
    when: "compacted to entry 1 afterwards, which is deleted already",
    expected: "no change",
    happened: `the base is ${entries.base.index}`,
    why: "snapshots of the state machine may be reported late",
  });
});

checkRules(import.meta);
