import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import { podOf } from "@raft2kube/controllers/testing/objects.ts";
import { check } from "../check.ts";
import { clauses, steps, text } from "../clauses.ts";
import { mustEqual } from "../must.ts";

const { copies } = clauses(import.meta, { copies: { title: text, why: text, script: steps } });

/** `a2!`: the object a at revision 2, with another uid than `a2`. */
function objectOf(object: string): Pod {
  const pod = podOf(object.charAt(0));
  const [resourceVersion, uid] = [object.charAt(1), object.slice(2) || "first"];
  Object.assign(pod.metadata, { resourceVersion, uid });
  return pod;
}

const textOf = ({ metadata }: Pod) =>
  `${metadata.name}${metadata.resourceVersion}${metadata.uid === "!" ? "!" : ""}`;

for (const { title, why, script } of copies) {
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
    for (const { event: brings, notes: expected } of script) {
      calls = [];
      const [type, ...texts] = brings.split(" ");
      played.push(brings);
      const objects = texts.map(objectOf);
      if (type === "list") copy.replace(objects);
      else copy.apply({ type: type as "ADDED" | "MODIFIED" | "DELETED", object: objects[0]! });
      const when = played.join(", then ");
      mustEqual(calls.join("; ") || "no call", expected.join("; ") || "no call", { when, why });
      if (type === "list") present.clear();
      for (const [name] of texts) {
        if (type === "DELETED") present.delete(name!);
        else present.add(name!);
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
