import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import { check } from "../check.ts";
import { mustEqual } from "../must.ts";
import { podOf } from "./objects.ts";

/** A list or an event of the reflector, and the handlers' calls. */
type Step = readonly [brings: string, ...calls: string[]];

const COPIES: readonly (readonly [title: string, why: string, steps: readonly Step[]])[] = [
  [
    "the first list is added, events change it",
    "a handler sees every change once",
    [
      ["list a1 b1", "added a1", "added b1"],
      ["MODIFIED a2", "updated a2 from a1"],
      ["ADDED c3", "added c3"],
      ["DELETED b4", "deleted b4"],
      ["DELETED b4"],
    ],
  ],
  [
    "a second list reports what has changed, and what is gone",
    "events of the time between are lost: a pod that is gone would be counted for ever",
    [
      ["list a1 b1 c1", "added a1", "added b1", "added c1"],
      ["list a1 c5 d4", "updated c5 from c1", "added d4", "deleted b1"],
      ["list", "deleted a1", "deleted c5", "deleted d4"],
    ],
  ],
  [
    "a revision that is there already is no change",
    "after a broken watch each object would be looked at again, on every node at once",
    [["list a1 b1", "added a1", "added b1"], ["MODIFIED a1"], ["list a1 b1"]],
  ],
  [
    "the same name with another uid is another object",
    "who waits for the old one's end never sees it",
    [
      ["list a1", "added a1"],
      ["MODIFIED a2!", "deleted a1", "added a2!"],
      ["list a2! b3", "added b3"],
      ["list a4 b3", "deleted a2!", "added a4"],
    ],
  ],
];

/** `a2!`: the object a at revision 2, with another uid than `a2`. */
function objectOf(text: string): Pod {
  const pod = podOf(text.charAt(0));
  Object.assign(pod.metadata, { resourceVersion: text.charAt(1), uid: text.slice(2) || "first" });
  return pod;
}

const textOf = ({ metadata }: Pod) =>
  `${metadata.name}${metadata.resourceVersion}${metadata.uid === "!" ? "!" : ""}`;

for (const [title, why, steps] of COPIES) {
  check(`informer: ${title}`, () => {
    const copy = new InformerCopy<Pod>((pod) => {
      pod.metadata.labels = { kept: "yes" };
      return pod;
    });
    let calls: string[] = [];
    copy.handle({
      added: (pod) => calls.push(`added ${textOf(pod)}`),
      updated: (pod, old) => calls.push(`updated ${textOf(pod)} from ${textOf(old)}`),
      deleted: (pod) => calls.push(`deleted ${textOf(pod)}`),
    });
    const played: string[] = [];
    const present = new Set<string>();
    for (const [brings, ...expected] of steps) {
      calls = [];
      const [type, ...texts] = brings.split(" ");
      played.push(brings);
      const objects = texts.map(objectOf);
      if (type === "list") copy.replace(objects);
      else copy.apply({ type: type as "ADDED" | "MODIFIED" | "DELETED", object: objects[0]! });
      const when = played.join(", then ");
      mustEqual(calls.join("; ") || "no call", expected.join("; ") || "no call", { when, why });
      if (type === "list") present.clear();
      for (const text of texts) {
        if (type === "DELETED") present.delete(text.charAt(0));
        else present.add(text.charAt(0));
      }
      const kept = copy.store.list().filter(({ metadata }) => metadata.labels?.["kept"] === "yes");
      mustEqual(
        kept
          .map(({ metadata }) => metadata.name!)
          .sort()
          .join(" "),
        [...present].sort().join(" "),
        { when: `${when}: the store`, why: "each object is kept as `transform` returns it" },
      );
    }
  });
}
